"""npm requirements on one package of one `node_modules` tree: what npm refuses, and what it nests.

An environment is one tree: a root manifest, and its workspaces as members. npm installs a package twice where two
dependencies need different versions, so that those only warn. It refuses where one copy must do: peers share the copy
at the root with the root's own dependency; a root's override may not differ from what it asks for directly; a range may
be empty. Source: npm's Arborist (`lib/node.js`, `lib/place-dep.js`, `lib/override-set.js`), and the corpus.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from metaqore_governance_core.psmp.conflicts.cores import first_of_each, last_of_each, smallest_clash
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.model import (
    Choice,
    Conflict,
    ConflictType,
    Party,
    Severity,
    listed,
    make_conflict,
)
from metaqore_governance_core.psmp.conflicts.npm_placement import Request, npm_refuses
from metaqore_governance_core.psmp.conflicts.npm_ranges import NpmRange, npm_range
from metaqore_governance_core.psmp.conflicts.npm_workspaces import is_member


class NpmKind(StrEnum):
    """Which part of a manifest says it."""

    DEPENDENCY = "dependencies"
    DEV = "devDependencies"
    OPTIONAL = "optionalDependencies"
    PEER = "peerDependencies"
    OPTIONAL_PEER = "peerDependenciesMeta"
    OVERRIDE = "overrides"
    WORKSPACES = "workspaces"


_ALIAS: Final = re.compile(r"\Anpm:(?:@[^/@]+/)?[^/@]+@")


@dataclass(frozen=True, slots=True)
class NpmRequirement:
    """What one manifest asks of one package. `text` is the range as it stands there.

    `root` is for the manifest at the top of the tree. `via` names the package whose peer it is, where a lock tells, or
    below which an override holds. `selector` is the range after the name in an override's key: the override holds for
    requests that overlap it. Where `kind` says that its manifest has workspaces, `name` is `TREE` and `text` a pattern
    of their folders.
    """

    party: Party
    name: str
    text: str
    kind: NpmKind
    manifest: str = "package.json"
    root: bool = True
    via: str = ""
    selector: str = ""

    @property
    def is_peer(self) -> bool:
        """Whether one copy must do for it and for who installs it."""
        return self.kind in {NpmKind.PEER, NpmKind.OPTIONAL_PEER}


_PRECEDENCE: Final = (
    NpmKind.PEER,
    NpmKind.OPTIONAL_PEER,
    NpmKind.DEPENDENCY,
    NpmKind.OPTIONAL,
    NpmKind.DEV,
)
"""Where a manifest names a package twice, npm takes the last of these."""


def npm_conflicts(key: str, requirements: Sequence[NpmRequirement]) -> list[Conflict]:
    """The conflicts among all requirements on one package of one tree, each with a smallest clashing part."""
    parties = tuple(one.party for one in requirements)
    overrides = [one for one in requirements if one.kind is NpmKind.OVERRIDE and one.root]
    of_all = [one for one in overrides if not one.via]
    asked = _effective(one for one in requirements if one.kind is not NpmKind.OVERRIDE)
    found = [_override_conflict(key, parties, *pair) for pair in _overridden_directly(asked, of_all)]
    asked = [_overridden(one, overrides) for one in asked]
    found += [_empty_conflict(key, parties, one) for one in asked if _is_empty(one)]
    peers = _smallest_peer_clash(asked)
    if peers:
        found.append(_peer_conflict(key, parties, peers))
    if not found:
        found = _nested_conflicts(key, parties, requirements)
    return found


def lone_override_conflicts(
    key: str, mine: Sequence[NpmRequirement], trees: Iterable[NpmRequirement]
) -> list[Conflict]:
    """What contradicts the overrides beside it in a folder that none of `trees` has as a member: there it is the root.

    A member's overrides npm passes over.
    """
    above = [(one.manifest, one.text) for one in trees]
    lone = [replace(one, root=True) for one in mine if not one.root and not is_member(one.manifest, above)]
    overrides = [one for one in lone if one.kind is NpmKind.OVERRIDE and not one.via]
    asked = _effective(one for one in lone if one.kind is not NpmKind.OVERRIDE) if overrides else []
    parties = tuple(one.party for one in lone)
    return [_override_conflict(key, parties, *pair) for pair in _overridden_directly(asked, overrides)]


def _effective(requirements: Iterable[NpmRequirement]) -> list[NpmRequirement]:
    """What counts of each manifest: the last of its sections that names the package."""
    by_manifest: dict[tuple[str, str, str, int], NpmRequirement] = {}
    for one in sorted(requirements, key=lambda requirement: _PRECEDENCE.index(requirement.kind)):
        by_manifest[one.party.artifact, one.manifest, one.via, one.party.version] = one
    return list(by_manifest.values())


def _range(one: NpmRequirement) -> NpmRange | None:
    """What it asks for of the copy with its name: of an alias, too, whichever package that is."""
    return npm_range(_ALIAS.sub("", one.text))


def _is_empty(one: NpmRequirement) -> bool:
    allowed = _range(one)
    return allowed is not None and allowed.is_empty and one.kind not in {NpmKind.OPTIONAL, NpmKind.OPTIONAL_PEER}


def _selects(override: NpmRequirement, one: NpmRequirement) -> bool:
    """Whether it is for this request. One that is no range, such as a tag, every range selects."""
    if not override.selector:
        return True
    spend(4)
    selected, asked = npm_range(override.selector), _range(one)
    return selected is not None and (asked is None or not selected.meet(asked).is_empty)


def _first_for(one: NpmRequirement, overrides: Iterable[NpmRequirement]) -> NpmRequirement | None:
    """The override that npm takes; None where it changes nothing, as `*` does."""
    chosen = next((override for override in overrides if _selects(override, one)), None)
    return None if chosen is None or chosen.text == "*" else chosen


def _overridden_directly(
    asked: Sequence[NpmRequirement], overrides: Sequence[NpmRequirement]
) -> list[tuple[NpmRequirement, NpmRequirement]]:
    found: list[tuple[NpmRequirement, NpmRequirement]] = []
    for one in asked:
        if one.root and not one.via:
            override = _first_for(one, (other for other in overrides if other.manifest == one.manifest))
            if override is not None and override.text != one.text:
                found.append((one, override))
    return found


def _overridden(one: NpmRequirement, overrides: Sequence[NpmRequirement]) -> NpmRequirement:
    """What is asked for in its place: by an override below its own package, else by one for all."""
    if one.root and not one.via:
        return one
    below = [override for override in overrides if override.via and override.via == one.via]
    chosen = _first_for(one, [*below, *(override for override in overrides if not override.via)])
    return one if chosen is None else replace(one, text=chosen.text)


def _smallest_peer_clash(asked: Sequence[NpmRequirement]) -> list[NpmRequirement]:
    """The smallest part of what one copy must satisfy and npm finds no version for."""
    in_order = sorted(
        (one for one in asked if _range(one) is not None and not _is_empty(one)),
        key=lambda one: (not one.root, one.via, one.manifest),
    )
    at_root = first_of_each(in_order, lambda one: (one.text, one.kind, one.root, bool(one.via)))
    if not any(one.is_peer for one in at_root) or not _refused(at_root):
        return []
    return smallest_clash(at_root, _refused)


def _refused(requirements: Sequence[NpmRequirement]) -> bool:
    return npm_refuses(
        [
            Request(allowed, one.is_peer, one.root and not one.via, one.kind is NpmKind.OPTIONAL_PEER, bool(one.via))
            for one in requirements
            if (allowed := _range(one)) is not None
        ]
    )


def _met(ranges: Sequence[NpmRange]) -> NpmRange:
    met = ranges[0]
    for one in ranges[1:]:
        met = met.meet(one)
    return met


def _override_conflict(key: str, parties: tuple[Party, ...], one: NpmRequirement, override: NpmRequirement) -> Conflict:
    clashing = (one.party, override.party)
    explanation = (
        f"{one.manifest} asks for {one.name} {one.text} and overrides it with {override.text}, which npm refuses "
        f"(EOVERRIDE): {listed(clashing)}. Write the same range in both, or override with ${one.name}."
    )
    return make_conflict(
        ConflictType.NPM_OVERRIDE,
        Severity.BLOCKING,
        key,
        parties=parties,
        clashing=clashing,
        suggestion=Choice.MANUAL,
        explanation=explanation,
    )


def _empty_conflict(key: str, parties: tuple[Party, ...], one: NpmRequirement) -> Conflict:
    explanation = f"No version of {one.name} is in the range {one.text!r} of {listed((one.party,))}. Correct the range."
    return make_conflict(
        ConflictType.NPM_RANGE_EMPTY,
        Severity.BLOCKING,
        key,
        parties=parties,
        clashing=(one.party,),
        suggestion=Choice.MANUAL,
        explanation=explanation,
    )


def _peer_conflict(key: str, parties: tuple[Party, ...], core: Sequence[NpmRequirement]) -> Conflict:
    clashing = tuple(one.party for one in core)
    exists = not _met([allowed for one in core if (allowed := _range(one)) is not None]).is_empty
    why = (
        "npm, which tries only the highest version that each allows, one after the other, finds none for all"
        if exists
        else "no version satisfies all"
    )
    explanation = (
        f"Peers share one copy of {core[0].name}, and {why} (ERESOLVE): {listed(clashing)}. "
        "Widen or align these ranges, or give one its own environment."
    )
    return make_conflict(
        ConflictType.NPM_PEERS,
        Severity.BLOCKING,
        key,
        parties=parties,
        clashing=clashing,
        suggestion=Choice.MANUAL,
        explanation=explanation,
    )


def _nested_conflicts(key: str, parties: tuple[Party, ...], requirements: Sequence[NpmRequirement]) -> list[Conflict]:
    asked = [
        one
        for one in requirements
        if one.kind is not NpmKind.OVERRIDE and _range(one) is not None and not _is_empty(one)
    ]
    asked = last_of_each(asked, lambda one: one.text)
    if len(asked) < 2 or not _disjoint(asked):  # noqa: PLR2004 - it takes two to clash
        return []
    clashing = tuple(one.party for one in smallest_clash(asked, _disjoint))
    explanation = (
        f"No version of {asked[0].name} suits all of {listed(clashing)}. npm installs more than one, or takes one "
        "section of a manifest and passes the other over. Align the ranges where one copy should do."
    )
    return [
        make_conflict(
            ConflictType.NPM_NESTED,
            Severity.WARNING,
            key,
            parties=parties,
            clashing=clashing,
            suggestion=Choice.MANUAL,
            explanation=explanation,
        )
    ]


def _disjoint(requirements: Sequence[NpmRequirement]) -> bool:
    ranges = [allowed for one in requirements if (allowed := _range(one)) is not None]
    return bool(ranges) and _met(ranges).is_empty
