"""How two states of one thing differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from metaqore_ai_gateway.service.psmp.asked import Ref, State
from metaqore_ai_gateway.service.psmp.folding import is_open
from metaqore_ai_gateway.service.psmp.reading_ports import Change, ChangeKind
from metaqore_governance_core.psmp.artifact_state import Artifact, Content
from metaqore_governance_core.psmp.work import Work

_NEVER_TOLD: Final = frozenset({"since_us", "created_us"})
"""These follow from what else differs."""


def change_of(ref: Ref, id_: str, before: State | None, after: State | None) -> Change | None:
    """What changed of it, None where it is what it was."""
    if before == after or after is None:
        return None
    return Change(
        ref.kind,
        id_,
        _name(ref, after),
        _how(before, after),
        _active(before),
        _active(after),
        tuple(_differing(before, after)),
    )


def _how(before: State | None, after: State) -> ChangeKind:
    if before is None:
        return ChangeKind.ADDED
    if isinstance(before, Artifact) and isinstance(after, Artifact):
        counted, counts = before.active is not None, after.active is not None
        if (counted and not counts) or (is_open(before) and not is_open(after)):
            return ChangeKind.REMOVED
    return ChangeKind.CHANGED


def _active(state: State | None) -> int:
    active = state.active if isinstance(state, Artifact) else None
    return 0 if active is None else active.number


def _name(ref: Ref, state: State) -> str:
    match state:
        case Work():
            return state.title or ref.id
        case _:
            return state.name


def _differing(before: State | None, after: State) -> Iterator[str]:
    """The fields that differ; of an artifact also what its active versions declare."""
    for field in fields(after):
        if field.name not in _NEVER_TOLD and getattr(before, field.name, field.default) != getattr(after, field.name):
            yield field.name
    if not isinstance(after, Artifact):
        return
    was = before.active if isinstance(before, Artifact) else None
    is_ = after.active
    if (was and was.number) != (is_ and is_.number):
        yield "active"
    if was is not None and is_ is not None:
        yield from (one.name for one in fields(Content) if _of(was.content, one.name) != _of(is_.content, one.name))


def _of(content: Content, name: str) -> object:
    return getattr(content, name)
