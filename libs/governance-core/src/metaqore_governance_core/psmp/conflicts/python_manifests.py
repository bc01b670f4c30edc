"""Python manifests as requirements: pip's requirements files, and `pyproject.toml` (PEP 621, PEP 735)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.documents import MAX_NESTING, check_size, toml_document
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.manifest import Manifest, manifest_invalid
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.python_ranges import file_named
from metaqore_governance_core.psmp.conflicts.python_requirements import PythonRequirement, python_requirement
from metaqore_governance_core.psmp.conflicts.requirement_bounds import check_requirement

_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_IS_COMMENT: Final = re.compile(r"\s*#")
_IS_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:")
_EGG: Final = re.compile(r"[#&]egg=([A-Za-z0-9][A-Za-z0-9._-]*)(?:&|\Z)")
_ARCHIVES: Final = (".whl", ".zip", ".tar.gz", ".tar.bz2", ".tar.xz", ".tgz")
_OPTIONS: Final = re.compile(r"\s--(hash|global-option|config-settings?)[ =].*$")
_ENVIRONMENT: Final = re.compile(r"#\s*metaqore:\s*environment\s*=\s*(\S+)")


def requirements_txt(party: Party, text: str) -> Manifest:
    """The requirements of a file for pip. Options, included files, and addresses that name no package are not read.

    A comment `# metaqore: environment = name` gives it an environment of its own. Raises `MetaQoreError`
    `requirement_invalid`.
    """
    check_size(text, "requirements file")
    entries: list[PythonRequirement] = []
    unread: list[str] = []
    for raw in _lines_of(text):
        spend(3 + len(raw) // 50)
        line = _OPTIONS.sub("", _COMMENT.sub("", raw)).strip()
        spelled = _spelled_out(line) if _is_address(line) else line
        if line.startswith("-") or (line and not spelled):
            unread.append(line)
        elif line:
            entries.append(python_requirement(replace(party, declares=line), spelled))
    named = _ENVIRONMENT.search(text)
    return Manifest(tuple(entries), named[1] if named else "", tuple(unread))


def _lines_of(text: str) -> Iterator[str]:
    """The lines of a file for pip, each with those that continue it; a comment continues none."""
    begun = ""
    for line in text.splitlines():
        if _IS_COMMENT.match(line):
            yield f"{begun} {line}"
        elif line.endswith("\\"):
            begun += line.strip("\\")
            continue
        else:
            yield begun + line
        begun = ""
    yield begun


def _is_address(line: str) -> bool:
    """Whether pip takes it for a place, and not for a name with what is wanted of it."""
    first = line.partition(";")[0].partition("@")[0].rstrip()
    return "/" in first or first.startswith(".") or first.endswith(_ARCHIVES)


def _spelled_out(address: str) -> str:
    """The requirement that an address makes by the package that it names; empty where it names none."""
    is_url = _IS_URL.match(address) is not None
    place, _, marker = (part.strip() for part in address.partition("; " if is_url else ";"))
    egg, file = _EGG.search(place), file_named(place)
    name = egg[1] if egg is not None else file[0] if file is not None else ""
    if not name or not (is_url or file) or re.search(r"\s", place):
        return ""
    asked = f"{name} @ {place}" if is_url or file is None else f"{name}=={file[1]}"
    return f"{asked} ; {marker}" if marker else asked


def pyproject_toml(party: Party, text: str) -> Manifest:
    """The requirements of a project: always, with each extra, and in each dependency group.

    `requires-python` is a requirement on `python`, and bounds where the others apply. `[tool.metaqore] environment`
    gives it an environment of its own. Raises `MetaQoreError` `manifest_invalid` or `requirement_invalid`.
    """
    document = toml_document(text, "pyproject.toml")
    project = _table(document, "project")
    python = project.get("requires-python", "")
    if not isinstance(python, str):
        raise manifest_invalid("pyproject.toml", "requires-python is not a string")
    marker = _python_marker(python)
    entries = [
        python_requirement(replace(party, declares=line), line, scope=scope, environment=marker)
        for scope, line in _lines(document, project)
    ]
    if python:
        declared = replace(party, declares=f"requires-python {python}")
        entries.append(python_requirement(declared, f"python{python}"))
    environment = _table(_table(document, "tool"), "metaqore").get("environment", "")
    return Manifest(tuple(entries), str(environment))


def _lines(document: Mapping[str, Any], project: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for line in _strings(project.get("dependencies", []), "dependencies"):
        yield "", line
    for extra, lines in sorted(_table(project, "optional-dependencies").items()):
        for line in _strings(lines, f"optional-dependencies.{extra}"):
            yield f"extra {canonicalize_name(extra)}", line
    groups: dict[str, Any] = {
        canonicalize_name(name): lines for name, lines in _table(document, "dependency-groups").items()
    }
    for group in sorted(groups):
        for line in _group(groups, group, ()):
            yield f"group {group}", line


def _group(groups: Mapping[str, Any], name: str, within: tuple[str, ...]) -> Iterator[str]:
    """A group's lines, with those of the groups that it includes (PEP 735)."""
    spend(5)
    if name not in groups or len(within) > MAX_NESTING or name in within or not isinstance(groups[name], list):
        raise manifest_invalid(
            "pyproject.toml", f"the dependency group {name} is missing, no list, or has itself or too many within"
        )
    for one in groups[name]:
        spend(1)
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict) and isinstance(one.get("include-group"), str):
            yield from _group(groups, canonicalize_name(one["include-group"]), (*within, name))
        else:
            raise manifest_invalid("pyproject.toml", f"the dependency group {name} holds something else than strings")


def _python_marker(specifiers: str) -> str:
    check_requirement(specifiers, "requires-python", python=True)
    try:
        parts = sorted(SpecifierSet(specifiers), key=str)
    except InvalidSpecifier as error:
        raise MetaQoreError(
            "requirement_invalid", f"This is no requires-python: {specifiers!r}. See PEP 440."
        ) from error
    return " and ".join(f"python_full_version {one.operator} '{one.version}'" for one in parts)


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise manifest_invalid("pyproject.toml", f"{name} is no table")
    return table


def _strings(value: Any, name: str) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise manifest_invalid("pyproject.toml", f"{name} is no list of strings")
    return value
