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

from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement
from metaqore_governance_core.psmp.conflicts.declaration import Entry
from metaqore_governance_core.psmp.conflicts.go_requirements import GoKind, GoRequirement
from metaqore_governance_core.psmp.conflicts.maven_requirements import MavenRequirement
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmKind, NpmRequirement
from metaqore_governance_core.psmp.conflicts.ownership import TaskHold
from metaqore_governance_core.psmp.conflicts.paths import PathClaim, PathUse
from metaqore_governance_core.psmp.conflicts.python_requirements import PythonRequirement, python_requirement

DIGEST_BYTES: Final = 16
_REMEMBERED: Final = 65_536
_BOUND_TO_A_FOLDER: Final = frozenset({NpmKind.OVERRIDE, NpmKind.WORKSPACES})
_encode: Final = msgspec.json.Encoder().encode


def encode_entries(entries: Sequence[Entry]) -> tuple[bytes, bytes]:
    """The form of the entries, a digest that whoever declares the same shares; and all of them."""
    forms = [_form(entry) for entry in entries]
    encoded = _encode(forms)
    alike = _encode([_anywhere(form) for form in forms]) if isinstance(entries[0], NpmRequirement) else encoded
    return digest_of(alike), b"[%b,%b]" % (_encode(entries[0].party.by), encoded)


def decode_entries(party: str, number: int, body: bytes) -> tuple[Entry, ...]:
    """The entries of this party."""
    by, prototypes = _read(body)
    return tuple([_owned(one, Party(party, number, by, one.party.declares)) for one in prototypes])


def digest_of(raw: bytes) -> bytes:
    """Short enough for an index, long enough that nobody finds two with the same."""
    return hashlib.sha256(raw).digest()[:DIGEST_BYTES]


def _form(entry: Entry) -> list[Any]:  # noqa: PLR0911 - one return a kind, here and below
    declares = entry.party.declares
    match entry:
        case PathClaim():
            return ["path", declares, entry.path, entry.use, entry.other]
        case PythonRequirement():
            return ["python", declares, entry.text, entry.scope, entry.environment]
        case NpmRequirement():
            rest = [entry.manifest, entry.root, entry.via, entry.selector]
            return ["npm", declares, entry.name, entry.text, entry.kind, *rest]
        case CargoRequirement():
            return ["cargo", declares, entry.name, entry.text]
        case CargoLink():
            return ["link", declares, entry.library, entry.crate]
        case MavenRequirement():
            return ["maven", declares, entry.name, entry.text]
        case GoRequirement():
            return ["go", declares, entry.name, entry.text, entry.kind, entry.target]
        case TaskHold():
            return ["hold", declares, entry.task, entry.agent, entry.from_us, entry.until_us]
        case _:
            assert_never(entry)


def _anywhere(form: list[Any]) -> list[Any]:
    """Without the folder of its manifest, for what is the same in each folder: what a member of a tree asks for."""
    match form:
        case ["npm", declares, name, text, NpmKind() as kind, _, False, *rest] if kind not in _BOUND_TO_A_FOLDER:
            return ["npm", declares, name, text, kind, "", False, *rest]
        case _:
            return form


def _owned(prototype: Entry, party: Party) -> Entry:
    match prototype:
        case PythonRequirement(_, text, allowed, region, scope, environment):
            # The most frequent by far, and `replace` takes twice as long.
            return PythonRequirement(party, text, allowed, region, scope, environment)
        case _:
            return replace(prototype, party=party)


@lru_cache(maxsize=_REMEMBERED)
def _read(body: bytes) -> tuple[str, tuple[Entry, ...]]:
    """By whom, and what is declared: many bodies are the same, since the artifact is not in them."""
    by, forms = msgspec.json.decode(body)
    return by, tuple(_prototype(tuple(form)) for form in forms)


@lru_cache(maxsize=_REMEMBERED)
def _prototype(form: tuple[Any, ...]) -> Entry:  # noqa: PLR0911 - one for each form
    """What is declared, of no artifact: parsed once, whoever declares it."""
    nobody = Party("", 0, "", form[1])
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
        case ("maven", _, name, text):
            return MavenRequirement(nobody, name, text)
        case ("go", _, name, text, kind, target):
            return GoRequirement(nobody, name, text, GoKind(kind), target)
        case ("hold", _, task, agent, from_us, until_us):
            return TaskHold(nobody, task, agent, from_us, until_us)
        case _:
            raise ValueError(f"The conflict index holds what nobody reads: {form[0]!r}.")
