"""`python -m metaqore_cli` is `metaqore`."""

from __future__ import annotations

from metaqore_cli.main import main

if __name__ == "__main__":
    main()
