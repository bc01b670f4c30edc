"""A manifest, read: the entries that it declares, and what in it was not understood."""

from __future__ import annotations

from dataclasses import dataclass

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement
from metaqore_governance_core.psmp.conflicts.go_requirements import GoRequirement
from metaqore_governance_core.psmp.conflicts.maven_requirements import MavenRequirement
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmRequirement
from metaqore_governance_core.psmp.conflicts.python_requirements import PythonRequirement

PackageEntry = PythonRequirement | NpmRequirement | CargoRequirement | CargoLink | MavenRequirement | GoRequirement


@dataclass(frozen=True, slots=True)
class Manifest:
    """`environment` is the one that the manifest names for itself; `unread` is what in it was not understood."""

    entries: tuple[PackageEntry, ...] = ()
    environment: str = ""
    unread: tuple[str, ...] = ()


def manifest_invalid(what: str, why: str) -> MetaQoreError:
    """The manifest cannot be read at all."""
    return MetaQoreError("manifest_invalid", f"This is no valid {what}: {why}.", kind=ErrorKind.UNPROCESSABLE)
