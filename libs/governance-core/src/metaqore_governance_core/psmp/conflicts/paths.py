"""Paths that cannot stand together: the same one, a file where another has a folder, names that differ too little.

Two names that differ only in case, in Unicode form, in characters nobody sees, or in spaces and dots at the end are one
file on the usual file systems of macOS and Windows, or look so: one would silently overwrite the other, and they block.
Sources: Unicode Standard Annex 15 (NFC), section 3.13 of the Unicode Standard (case folding), Unicode Technical Report
36 (what is not seen), and Microsoft's "Naming Files, Paths, and Namespaces".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from metaqore_governance_core.errors import MetaQoreError
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
from metaqore_governance_core.unseen import DEFAULT_IGNORABLE

MAX_PATH_BYTES: Final = 4096
_OUTSIDE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\\]|(?:\A|/)\.{0,2}(?:/|\Z)")
"""Control characters (Unicode's Cc), backslashes, and parts that are empty, `.` or `..`."""
_UNSEEN: Final = re.compile(rf"(?<![ .{DEFAULT_IGNORABLE}])[ .{DEFAULT_IGNORABLE}]++(?=/|\Z)|[{DEFAULT_IGNORABLE}]")
"""What nothing is drawn for, and spaces and dots at a name's end."""


class PathUse(StrEnum):
    """What a version does to a path."""

    WRITES = "writes"
    VACATES = "vacates"


@dataclass(frozen=True, slots=True)
class PathClaim:
    """One path of one party. A rename is two: it vacates one path, whose `other` is the new one, and writes that."""

    party: Party
    path: str
    use: PathUse = PathUse.WRITES
    other: str = ""


def checked_path(path: str) -> str:
    """`path`, where it is one that stays inside the project. Raises `MetaQoreError` `path_invalid`."""
    if len(path.encode()) > MAX_PATH_BYTES or _OUTSIDE.search(path) is not None:
        raise MetaQoreError(
            "path_invalid",
            f"{path!r} is no path inside a project. Write it relative, with forward slashes, without . and .. parts.",
        )
    return path


def path_key(path: str) -> str:
    """What two paths share that some file system takes for one."""
    return _as_seen(unicodedata.normalize("NFD", path).casefold())


def _as_seen(path: str) -> str:
    return unicodedata.normalize("NFC", _UNSEEN.sub("", path))


def ancestors(path: str) -> Iterator[str]:
    """The folders above a path, the nearest first."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def path_claims(party: Party, paths: Iterable[str], renames: Iterable[tuple[str, str]] = ()) -> list[PathClaim]:
    """The claims of a version that writes `paths` and renames from the first to the second of each of `renames`."""
    of = (party.artifact, party.version, party.by)
    claims = [PathClaim(Party(*of, f"writes {path}"), checked_path(path)) for path in paths]
    for old, new in renames:
        moving = Party(*of, f"renames {checked_path(old)} to {checked_path(new)}")
        claims += [PathClaim(moving, old, PathUse.VACATES, new), PathClaim(moving, new, PathUse.WRITES, old)]
    return list(dict.fromkeys(claims))


def path_conflicts(claims: Sequence[PathClaim]) -> list[Conflict]:
    """Every conflict among the claims of different artifacts; versions of one artifact succeed each other."""
    spend(4 * len(claims))
    by_key: dict[str, list[PathClaim]] = {}
    for claim in claims:
        by_key.setdefault(path_key(claim.path), []).append(claim)
    found: list[Conflict] = []
    for key, sharing in sorted(by_key.items()):
        found += _same_place(key, sharing)
    turn = {claim.party.artifact: at for at, claim in enumerate(claims)}
    for folder, below in sorted(_below(claims, by_key).items()):
        found += _under_a_file(folder, _writers(by_key[folder]), below, turn)
    return found


def _writers(claims: Iterable[PathClaim]) -> list[PathClaim]:
    return [claim for claim in claims if claim.use is PathUse.WRITES]


def _of_several(claims: Sequence[PathClaim]) -> bool:
    return len({claim.party.artifact for claim in claims}) > 1


def _same_place(key: str, sharing: Sequence[PathClaim]) -> Iterator[Conflict]:
    writers, vacating = _writers(sharing), [claim for claim in sharing if claim.use is PathUse.VACATES]
    if _of_several(writers):
        yield _written_twice(key, writers)
    for claim in reversed(vacating):
        others = [one for one in sharing if one.party.artifact != claim.party.artifact]
        against = [one for one in others if one.use is PathUse.WRITES or one.other != claim.other]
        if against:
            yield _renamed_away(key, claim, against)
            return


def _two(claims: Sequence[PathClaim]) -> tuple[PathClaim, PathClaim]:
    """Two that clash, the newest of them included: any two writers of one place do."""
    last = claims[-1]
    return next(claim for claim in claims if claim.party.artifact != last.party.artifact), last


def _written_twice(key: str, writers: Sequence[PathClaim]) -> Conflict:
    one, other = _two(writers)
    parties = tuple(claim.party for claim in writers)
    who = listed((one.party, other.party))
    if one.path == other.path:
        type_, suggestion = ConflictType.PATH_SAME, Choice.MERGE
        explanation = f"Both write {one.path}: {who}. Merge them, let one supersede the other, or move one."
    elif _as_seen(one.path) == _as_seen(other.path):
        type_, suggestion = ConflictType.PATH_UNICODE, Choice.KEEP_EXISTING
        explanation = (
            f"{one.path!a} and {other.path!a} look the same and are one file on some systems: {who}. Rename one."
        )
    else:
        type_, suggestion = ConflictType.PATH_CASE, Choice.MANUAL
        explanation = (
            f"{one.path} and {other.path} differ only in case and are one file on some systems: {who}. Rename one."
        )
    return make_conflict(
        type_,
        Severity.BLOCKING,
        f"path:{key}",
        parties=parties,
        clashing=(one.party, other.party),
        suggestion=suggestion,
        explanation=explanation,
    )


def _renamed_away(key: str, claim: PathClaim, against: Sequence[PathClaim]) -> Conflict:
    other = against[-1]
    does = f"writes {other.path}" if other.use is PathUse.WRITES else f"renames it to {other.other}"
    explanation = (
        f"{claim.party.by} renames {claim.path} to {claim.other}, while {other.party.by} {does}: "
        f"{listed((claim.party, other.party))}. Agree on one name, then propose the other again."
    )
    return make_conflict(
        ConflictType.PATH_RENAME,
        Severity.BLOCKING,
        f"path:{key}",
        parties=(claim.party, *(one.party for one in against)),
        clashing=(claim.party, other.party),
        suggestion=Choice.MANUAL,
        explanation=explanation,
    )


def _below(claims: Iterable[PathClaim], by_key: Mapping[str, Sequence[PathClaim]]) -> dict[str, list[PathClaim]]:
    """For each claimed place the writers below it, in their order."""
    found: dict[str, list[PathClaim]] = {}
    for claim in _writers(claims):
        for folder in ancestors(path_key(claim.path)):
            spend(1)
            if folder in by_key:
                found.setdefault(folder, []).append(claim)
    return found


def _under_a_file(
    key: str, files: Sequence[PathClaim], below: Sequence[PathClaim], turn: Mapping[str, int]
) -> Iterator[Conflict]:
    """One conflict of the newest with all below its file, or with all who have a file where it needs a folder."""
    if not files or not _of_several([*files, *below]):
        return
    newest = max((one.party.artifact for one in (*files, *below)), key=turn.__getitem__)
    (own_file, file), (own_below, under) = (_first_of_each(newest, side) for side in (files, below))
    if own_file and under:
        file = own_file
    else:
        under, below = own_below, [one for one in below if one.party.artifact == newest]
    if file is None or under is None:
        return
    who = listed((file.party, under.party))
    more = f", as {len(below) - 1} more do" if len(below) > 1 else ""
    yield make_conflict(
        ConflictType.PATH_PARENT,
        Severity.BLOCKING,
        f"path:{key}",
        parties=tuple(one.party for one in (*files, *below)),
        clashing=(file.party, under.party),
        suggestion=Choice.MANUAL,
        explanation=f"{file.path} is a file, and {under.path} needs a folder there{more}: {who}. Move one.",
    )


def _first_of_each(artifact: str, claims: Sequence[PathClaim]) -> tuple[PathClaim | None, PathClaim | None]:
    """The first claim of the artifact, and the first of another, by the order of their parties alone."""
    own = [one for one in claims if one.party.artifact == artifact]
    others = [one for one in claims if one.party.artifact != artifact]
    return min(own, key=_place, default=None), min(others, key=_place, default=None)


def _place(claim: PathClaim) -> tuple[str, int, str]:
    return claim.party.artifact, claim.party.version, claim.path
