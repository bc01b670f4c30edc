"""`metaqore`, and `python -m metaqore_cli`: the command, whose parts take half a second to import."""

from __future__ import annotations

import signal


def main() -> None:
    """The entry point of the `metaqore` script. Ctrl-C ends it without a stack trace, also while it imports."""
    answer = signal.getsignal(signal.SIGINT)
    if answer is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from metaqore_cli.main import main as command  # noqa: PLC0415 - an interrupt meanwhile is caught

    signal.signal(signal.SIGINT, answer)
    command()


if __name__ == "__main__":
    main()
