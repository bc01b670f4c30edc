"""Labels in a query."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from metaqore_ai_gateway.service.psmp.reading_ports import Labels

_MAX_LABELS = 16

LabelFilter = Annotated[
    list[Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f=]+=[^\x00-\x1f\x7f]*$", max_length=1300)]],
    Field(max_length=_MAX_LABELS, description="Only what has this label, as `name=value`; all of them, if repeated."),
]


def read_labels(asked: list[str]) -> Labels:
    """The labels by name and value, in their order."""
    pairs = (one.partition("=") for one in asked)
    return tuple(sorted({(name, value) for name, _, value in pairs}))
