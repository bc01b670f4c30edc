"""The JSON Schemas of the events. `python -m metaqore_governance_core.contracts.schemas DIRECTORY` writes them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from metaqore_governance_core.contracts.event import Event
from metaqore_governance_core.contracts.registry import EVENTS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an event's value."""
    return {"$schema": DIALECT, "$id": f"urn:{event.ce_type.replace('.', ':')}"} | event.model_json_schema()


def schema_files() -> dict[str, str]:
    """File name and text of every schema."""
    return {f"{event.ce_type}.json": json.dumps(schema_of(event), indent=2) + "\n" for event in EVENTS}


def main(directory: str) -> None:
    """Write every schema into `directory`."""
    for name, text in schema_files().items():
        Path(directory, name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
