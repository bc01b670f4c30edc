"""npm manifests as requirements: `package.json`, and from `package-lock.json` the peers of what is installed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from metaqore_governance_core.psmp.conflicts.documents import json_document
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.manifest import Manifest
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmKind, NpmRequirement
from metaqore_governance_core.psmp.conflicts.npm_workspaces import TREE, patterns_of
from metaqore_governance_core.psmp.conflicts.requirement_bounds import check_requirement


def package_json(party: Party, text: str, path: str = "package.json") -> Manifest:
    """What a `package.json` asks for. The one without a folder above it is the root of its tree.

    `"metaqore": {"environment": "name"}` gives it an environment of its own. Overrides below another package are read
    where they are for all versions of it, and go no deeper. Raises `MetaQoreError` `manifest_invalid`.
    """
    document = json_document(text, "package.json")
    entries: list[NpmRequirement] = []
    unread: list[str] = []
    root = "/" not in path
    direct: dict[str, str] = {}
    optional_peers = {
        name
        for name, meta in _table(document, NpmKind.OPTIONAL_PEER).items()
        if isinstance(meta, dict) and meta.get("optional") is True
    }
    for kind in (NpmKind.PEER, NpmKind.DEPENDENCY, NpmKind.OPTIONAL, NpmKind.DEV):
        for name, spec in sorted(_texts(document, kind).items()):
            spend(7)
            check_requirement(spec, f"{kind.value} {name[:100]}")
            chosen = NpmKind.OPTIONAL_PEER if kind is NpmKind.PEER and name in optional_peers else kind
            declares = f"{kind.value} {name} {spec}".rstrip()
            entries.append(NpmRequirement(replace(party, declares=declares), name, spec, chosen, path, root))
            direct[name] = spec
    for via, key, spec in _overrides(_table(document, NpmKind.OVERRIDE), unread):
        name, selector = _selected(key)
        check_requirement(spec, f"overrides {key[:100]}")
        check_requirement(selector, f"overrides {key[:100]}")
        text_ = direct.get(spec[1:], spec) if spec.startswith("$") else spec or "*"
        declared = replace(party, declares=f"overrides {f'{via} > ' if via else ''}{key} with {spec}")
        entries.append(NpmRequirement(declared, name, text_, NpmKind.OVERRIDE, path, root, via, selector))
    for pattern in patterns_of(document):
        spend(5)
        check_requirement(pattern, "workspaces")
        declared = replace(party, declares=f"workspaces {pattern}")
        entries.append(NpmRequirement(declared, TREE, pattern, NpmKind.WORKSPACES, path, root))
    environment = _table(document, "metaqore").get("environment", "")
    return Manifest(tuple(entries), str(environment), tuple(unread))


def package_lock_peers(party: Party, text: str) -> Manifest:
    """The peers of every package at the top of the tree that a `package-lock.json` (version 2 or 3) describes."""
    entries: list[NpmRequirement] = []
    for place, package in sorted(_table(json_document(text, "package-lock.json"), "packages").items()):
        spend(2)
        owner = place.removeprefix("node_modules/")
        if place == owner or "node_modules/" in owner or not isinstance(package, dict) or package.get("link"):
            continue
        meta = _table(package, NpmKind.OPTIONAL_PEER)
        for name, spec in sorted(_texts(package, NpmKind.PEER).items()):
            spend(6)
            check_requirement(spec, f"the peer {name[:100]} of {owner[:100]}")
            optional = isinstance(meta.get(name), dict) and meta[name].get("optional") is True
            kind = NpmKind.OPTIONAL_PEER if optional else NpmKind.PEER
            declared = replace(party, declares=f"{owner} in the lock file has the peer {name} {spec}".rstrip())
            entries.append(NpmRequirement(declared, name, spec, kind, via=owner))
    return Manifest(tuple(entries))


def _overrides(table: Mapping[str, Any], unread: list[str]) -> Iterator[tuple[str, str, str]]:
    """Each with the package below which it holds, in the manifest's order: npm takes the first that selects."""
    for key, value in table.items():
        chosen = value.get(".") if isinstance(value, dict) else value
        if isinstance(chosen, str):
            yield "", key, chosen
        below = {name: spec for name, spec in value.items() if name != "."} if isinstance(value, dict) else {}
        for name, spec in below.items():
            if isinstance(spec, str) and not _selected(key)[1]:
                yield key, name, spec
            else:
                unread.append(f"overrides below {key}")


def _selected(key: str) -> tuple[str, str]:
    """The name and the range of an override's key: `foo@^2`, `@scope/foo`, `@scope/foo@1`."""
    at = key.find("@", 1)
    return (key, "") if at < 0 else (key[:at], key[at + 1 :])


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    return table if isinstance(table, dict) else {}


def _texts(document: Mapping[str, Any], name: str) -> Mapping[str, str]:
    return {key: value for key, value in _table(document, name).items() if isinstance(value, str)}
