"""The JSON Schemas of the events. `python -m metaqore_governance_core.contracts.schemas [EVENT]` prints one."""

from __future__ import annotations

import json
import sys
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


if __name__ == "__main__":
    files = schema_files()
    names = [name.removesuffix(".json") for name in files]
    sys.stdout.write("".join(files[f"{name}.json"] for name in sys.argv[1:]) or "\n".join(names) + "\n")
