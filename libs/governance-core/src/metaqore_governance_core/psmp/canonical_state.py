"""A state as RFC 8785 bytes: a replay of the past gives them again, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from metaqore_governance_core.canonical import canonical


def state_bytes(state: Any) -> bytes:
    """The canonical form of a state that is made of frozen dataclasses, tuples, sets, mappings and plain values.

    A set is a list in order: texts by their code points, anything else by its canonical form.
    """
    return canonical(_plain(state))


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, frozenset | set):
        plain = [_plain(one) for one in value]
        return sorted(plain) if all(isinstance(one, str) for one in plain) else sorted(plain, key=canonical)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value
