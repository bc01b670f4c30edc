"""Entries of the conflict index as bytes: what is declared, and apart from it by whom.

Requirements are kept in their manifest's words and parsed again when they are read: the parsers remember what they saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, assert_never

import msgspec

from metaqore_governance_core.canonical import canonical_plain
from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement
from metaqore_governance_core.psmp.conflicts.declaration import Entry
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmKind, NpmRequirement
from metaqore_governance_core.psmp.conflicts.ownership import TaskHold
from metaqore_governance_core.psmp.conflicts.paths import PathClaim, PathUse
from metaqore_governance_core.psmp.conflicts.python_requirements import PythonRequirement, python_requirement

DIGEST_BYTES: Final = 16


def encode_entries(entries: Sequence[Entry]) -> tuple[bytes, bytes]:
    """The form of the entries, a digest that whoever declares the same shares; and all of them."""
    forms = [_form(entry) for entry in entries]
    by = entries[0].party.by
    return digest_of(canonical_plain(forms)), canonical_plain([by, forms])


def decode_entries(party: str, number: int, body: bytes) -> tuple[Entry, ...]:
    """The entries of this party."""
    by, forms = msgspec.json.decode(body)
    return tuple(_owned(_prototype(tuple(form)), Party(party, number, by, form[1])) for form in forms)


def digest_of(raw: bytes) -> bytes:
    """Short enough for an index, long enough that nobody finds two with the same."""
    return hashlib.sha256(raw).digest()[:DIGEST_BYTES]


def _form(entry: Entry) -> list[Any]:
    declares = entry.party.declares
    match entry:
        case PathClaim():
            return ["path", declares, entry.path, entry.use.value, entry.other]
        case PythonRequirement():
            return ["python", declares, entry.text, entry.scope, entry.environment]
        case NpmRequirement():
            rest = [entry.manifest, entry.root, entry.via, entry.selector]
            return ["npm", declares, entry.name, entry.text, entry.kind.value, *rest]
        case CargoRequirement():
            return ["cargo", declares, entry.name, entry.text]
        case CargoLink():
            return ["link", declares, entry.library, entry.crate]
        case TaskHold():
            return ["hold", declares, entry.task, entry.agent, entry.from_us, entry.until_us]
        case _:
            assert_never(entry)


def _owned(prototype: Entry, party: Party) -> Entry:
    return replace(prototype, party=party)


@lru_cache(maxsize=65_536)
def _prototype(form: tuple[Any, ...]) -> Entry:
    """What is declared, by nobody: parsed once, whoever declares it."""
    nobody = Party("", 0, "", "")
    match form:
        case ("path", _, path, use, other):
            return PathClaim(nobody, path, PathUse(use), other)
        case ("python", _, text, scope, environment):
            return python_requirement(nobody, text, scope=scope, environment=environment)
        case ("npm", _, name, text, kind, manifest, root, via, selector):
            return NpmRequirement(nobody, name, text, NpmKind(kind), manifest, root, via, selector)
        case ("cargo", _, name, text):
            return CargoRequirement(nobody, name, text)
        case ("link", _, library, crate):
            return CargoLink(nobody, library, crate)
        case ("hold", _, task, agent, from_us, until_us):
            return TaskHold(nobody, task, agent, from_us, until_us)
        case _:
            raise ValueError(f"The conflict index holds what nobody reads: {form[0]!r}.")
