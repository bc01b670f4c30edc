"""How large what a version declares may be, checked by its text alone and before anything parses it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Final

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Content, Dependency
from metaqore_governance_core.psmp.conflicts.requirement_bounds import (
    MAX_REQUIREMENT,
    check_marker,
    check_requirement,
    clauses_of,
    too_complex,
    values_of,
)

MAX_PATH: Final = 1024
MAX_FOLDERS: Final = 64
MAX_MARKS: Final = 30
"""Upon one letter, as Unicode's stream-safe text has them (UAX #15 section 13): putting them in order takes quadratic
time."""
MAX_PATHS: Final = 2000
MAX_FOLDERS_TOGETHER: Final = 10_000
MAX_DEPENDENCIES: Final = 2000
MAX_OF_ONE_PACKAGE: Final = 200
MAX_CLAUSES_TOGETHER: Final = 5000
"""Clauses of all requirements and values of all different markers of one version."""
MAX_WORDS: Final = 4096
"""Characters of a name, and of how a manifest says what it declares."""

_MANY_MARKS: Final = re.compile(rf"[^\x00-\x7f]{{{MAX_MARKS + 1}}}")
"""Where there may be too many: most paths need no closer look."""
_NAME_SEPARATOR: Final = re.compile(r"[-_.]+")


def check_content(content: Content, field: str = "declarations") -> None:
    """Refuse what is too large to be judged. `field` is where the caller gave it.

    Raises `MetaQoreError` `requirement_too_complex`, `requirement_invalid`, `paths_too_deep` or `path_invalid`.
    """
    check_paths(content.paths, content.renames, field)
    check_dependencies(content.dependencies, f"{field}.dependencies")
    _check_words(content.environment, f"{field}.environment")


def check_paths(paths: Iterable[str], renames: Iterable[tuple[str, str]], field: str) -> None:
    """Refuse too many paths, and too long or too deep ones. Raises `MetaQoreError` `paths_too_deep`, `path_invalid`."""
    named = [(f"{field}.paths[{at}]", path) for at, path in enumerate(paths)]
    for at, (old, new) in enumerate(renames):
        named += [(f"{field}.renames[{at}].from_path", old), (f"{field}.renames[{at}].to_path", new)]
    if len(named) > MAX_PATHS:
        raise _paths_too_deep(f"{field}.paths", f"has more than {MAX_PATHS} paths, renamed ones included")
    together = 0
    for where, path in named:
        folders = path.count("/")
        together += folders
        if len(path) > MAX_PATH or folders > MAX_FOLDERS:
            raise _paths_too_deep(where, f"has more than {MAX_PATH} characters or {MAX_FOLDERS} folders")
        if not is_text(path):
            raise MetaQoreError("path_invalid", f"{where} is no Unicode text.", kind=ErrorKind.UNPROCESSABLE)
        if _MANY_MARKS.search(path) and _has_many_marks(path):
            message = f"{where} has more than {MAX_MARKS} marks upon one letter. Write it with fewer."
            raise MetaQoreError("path_invalid", message, kind=ErrorKind.UNPROCESSABLE)
    if together > MAX_FOLDERS_TOGETHER:
        raise _paths_too_deep(f"{field}.paths", f"lies in more than {MAX_FOLDERS_TOGETHER} folders, counted per path")


def check_dependencies(dependencies: Iterable[Dependency], field: str) -> None:
    """Refuse too many requirements, too many on one package, and too long ones.

    Raises `MetaQoreError` `requirement_too_complex` or `requirement_invalid`.
    """
    listed = list(dependencies)
    if len(listed) > MAX_DEPENDENCIES:
        raise too_complex(field, f"has more than {MAX_DEPENDENCIES} requirements")
    together = 0
    markers: set[str] = set()
    for at, one in enumerate(listed):
        where = f"{field}[{at}]"
        _check_dependency(one, where)
        together += clauses_of(one.text) + (clauses_of(one.selector) if one.selector else 0)
        if one.marker:
            markers.add(one.marker)
        if one.ecosystem == "python" and ";" in one.text:
            markers.add(one.text.partition(";")[2].strip())
    if together + sum(map(values_of, markers)) > MAX_CLAUSES_TOGETHER:
        raise too_complex(field, f"has more than {MAX_CLAUSES_TOGETHER} clauses and markers together")
    for (_, name), count in Counter(map(_package, listed)).items():
        if count > MAX_OF_ONE_PACKAGE:
            raise too_complex(field, f"has more than {MAX_OF_ONE_PACKAGE} requirements on {name[:100]}")


def is_text(text: str) -> bool:
    """Whether it can be written as UTF-8: JSON can spell half of a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_many_marks(path: str) -> bool:
    run = 0
    for character in path:
        run = run + 1 if unicodedata.combining(character) else 0
        if run > MAX_MARKS:
            return True
    return False


def _check_dependency(one: Dependency, where: str) -> None:
    check_requirement(one.text, f"{where}.text", python=one.ecosystem == "python")
    check_requirement(one.selector, f"{where}.selector")
    if one.marker:
        check_marker(one.marker, f"{where}.marker")
    for name in ("name", "text", "declares", "scope", "marker", "kind", "manifest", "via", "selector"):
        _check_words(getattr(one, name), f"{where}.{name}")


def _check_words(text: str, where: str) -> None:
    if len(text) > MAX_WORDS:
        raise too_complex(where, f"has more than {MAX_WORDS} characters")
    if not is_text(text):
        raise MetaQoreError("requirement_invalid", f"{where} is no Unicode text.", kind=ErrorKind.UNPROCESSABLE)


def _package(one: Dependency) -> tuple[str, str]:
    """The package, as near as its name tells without reading the requirement."""
    if one.ecosystem != "python":
        return one.ecosystem, one.name
    return one.ecosystem, _NAME_SEPARATOR.sub("-", one.name or one.text[:MAX_REQUIREMENT]).lower()


def _paths_too_deep(where: str, why: str) -> MetaQoreError:
    return MetaQoreError(
        "paths_too_deep",
        f"{where} {why}. Split the version, or declare folders of it apart.",
        kind=ErrorKind.UNPROCESSABLE,
    )
