"""`Cargo.toml` as requirements: all dependencies of a crate, for whatever target, since Cargo locks them together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement, cargo_range
from metaqore_governance_core.psmp.conflicts.documents import toml_document
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.manifest import Manifest
from metaqore_governance_core.psmp.conflicts.model import Party

_SECTIONS: Final = (
    *("dependencies", "dev-dependencies", "build-dependencies"),
    *("dev_dependencies", "build_dependencies"),  # until the edition of 2024
)
_ELSEWHERE: Final = frozenset({"path", "git", "registry", "registry-index"})
"""What comes from there is another package than the registry's of the same name."""


def cargo_toml(party: Party, text: str) -> Manifest:
    """What a `Cargo.toml` asks for from the registry, and which native library its crate links.

    Dependencies from paths and repositories are not read, nor those that a workspace's root in another file defines.
    `[package.metadata.metaqore] environment` gives it an environment of its own. Raises `MetaQoreError`
    `manifest_invalid` or `requirement_invalid`.
    """
    document = toml_document(text, "Cargo.toml")
    shared = _table(_table(document, "workspace"), "dependencies")
    entries: list[CargoRequirement | CargoLink] = []
    unread: list[str] = []
    for section, alias, value in _dependencies(document):
        spend(8)
        table = _spelled_out(value)
        if table.get("workspace") is True:
            table = _spelled_out(shared.get(alias))
        version, name = table.get("version"), table.get("package", alias)
        if not isinstance(version, str) or not isinstance(name, str) or _ELSEWHERE & table.keys():
            unread.append(f"{section} {alias}")
            continue
        cargo_range(version)
        entries.append(CargoRequirement(replace(party, declares=f"{section} {name} {version}"), name, version))
    package = _table(document, "package")
    if isinstance(package.get("links"), str):
        library, crate = package["links"], str(package.get("name", party.artifact))
        entries.append(CargoLink(replace(party, declares=f"{crate} links {library}"), library, crate))
    environment = _table(_table(package, "metadata"), "metaqore").get("environment", "")
    return Manifest(tuple(entries), str(environment), tuple(unread))


def _dependencies(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    tables = [document, *(one for one in _table(document, "target").values() if isinstance(one, dict))]
    for table in tables:
        for section in _SECTIONS:
            for alias, value in sorted(_table(table, section).items()):
                yield section, alias, value


def _spelled_out(dependency: Any) -> Mapping[str, Any]:
    if isinstance(dependency, str):
        return {"version": dependency}
    return dependency if isinstance(dependency, dict) else {}


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    return table if isinstance(table, dict) else {}
