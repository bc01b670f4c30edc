"""From a manifest to what a version declares, and from that to the entries that are judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, assert_never

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Artifact, Dependency, Version
from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement
from metaqore_governance_core.psmp.conflicts.declaration import Declaration, Entry
from metaqore_governance_core.psmp.conflicts.manifest import Manifest, PackageEntry
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmKind, NpmRequirement
from metaqore_governance_core.psmp.conflicts.ownership import TaskHold
from metaqore_governance_core.psmp.conflicts.paths import path_claims
from metaqore_governance_core.psmp.conflicts.python_requirements import PythonRequirement, python_requirement
from metaqore_governance_core.psmp.work import Work

LINKS: Final = "links"
"""The kind of a dependency of Cargo that is a native library, whose name stands in its text."""


def dependencies_of(manifest: Manifest) -> tuple[Dependency, ...]:
    """What a version that carries this manifest declares."""
    return tuple(_dependency(entry) for entry in manifest.entries)


def declaration_of(artifact: Artifact, version: Version, at_us: int) -> Declaration:
    """All that a version, proposed at `at_us`, can clash with others over.

    Raises `MetaQoreError` where a declaration cannot be read.
    """
    party = Party(artifact.name, version.number, version.proposed_by or version.drafted_by, "")
    return Declaration(
        artifact.organization,
        artifact.project,
        party,
        tuple(_entries(party, version, at_us)),
        version.content.environment,
    )


def hold_of(work: Work) -> TaskHold | None:
    """The lease on a task, as it meets those who propose for that task; None where nobody holds it."""
    if not work.holder:
        return None
    party = Party(f"task {work.id}", work.claims, work.holder, f"holds the task {work.id}")
    return TaskHold(party, work.id, work.holder, work.since_us, work.lease_until_us)


def _dependency(entry: PackageEntry) -> Dependency:
    declares = entry.party.declares
    match entry:
        case PythonRequirement():
            return Dependency("python", entry.name, entry.text, declares, scope=entry.scope, marker=entry.environment)
        case CargoRequirement():
            return Dependency("cargo", entry.name, entry.text, declares)
        case CargoLink():
            return Dependency("cargo", entry.crate, entry.library, declares, kind=LINKS)
        case NpmRequirement():
            return Dependency(
                "npm",
                entry.name,
                entry.text,
                declares,
                kind=entry.kind.value,
                manifest=entry.manifest,
                via=entry.via,
                selector=entry.selector,
            )
        case _:
            assert_never(entry)


def _entries(party: Party, version: Version, at_us: int) -> Iterator[Entry]:
    content = version.content
    yield from path_claims(party, content.paths, content.renames)
    for one in content.dependencies:
        yield _entry(Party(party.artifact, party.version, party.by, one.declares or one.text), one)
    if content.provenance.task:
        made = replace(party, declares=f"was made for the task {content.provenance.task}")
        agent = content.provenance.agent or party.by
        yield TaskHold(made, content.provenance.task, agent, at_us, at_us + 1)


def _entry(party: Party, one: Dependency) -> Entry:
    match one.ecosystem:
        case "python":
            return python_requirement(party, one.text, scope=one.scope, environment=one.marker)
        case "npm":
            manifest = one.manifest or "package.json"
            kind = NpmKind(one.kind) if one.kind else NpmKind.DEPENDENCY
            return NpmRequirement(party, one.name, one.text, kind, manifest, "/" not in manifest, one.via, one.selector)
        case "cargo" if one.kind == LINKS:
            return CargoLink(party, one.text, one.name)
        case "cargo":
            return CargoRequirement(party, one.name, one.text)
        case _:
            raise MetaQoreError(
                "ecosystem_unknown",
                f"MetaQore cannot judge dependencies of {one.ecosystem!r}. Use python, npm or cargo.",
                kind=ErrorKind.UNPROCESSABLE,
            )
