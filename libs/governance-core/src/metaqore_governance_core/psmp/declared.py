"""From a manifest to what a version declares, and from that to the entries that are judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.artifact_state import Artifact, Dependency, Version
from metaqore_governance_core.psmp.conflicts.declaration import Declaration, Entry
from metaqore_governance_core.psmp.conflicts.manifest import Manifest
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmKind, NpmRequirement
from metaqore_governance_core.psmp.conflicts.ownership import TaskHold
from metaqore_governance_core.psmp.conflicts.paths import path_claims
from metaqore_governance_core.psmp.conflicts.python_requirements import PythonRequirement, python_requirement
from metaqore_governance_core.psmp.work import Work

PYTHON = "python"
NPM = "npm"


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


def _dependency(entry: PythonRequirement | NpmRequirement) -> Dependency:
    declares = entry.party.declares
    if isinstance(entry, PythonRequirement):
        return Dependency(PYTHON, entry.name, entry.text, declares, scope=entry.scope, marker=entry.environment)
    return Dependency(
        NPM,
        entry.name,
        entry.text,
        declares,
        kind=entry.kind.value,
        manifest=entry.manifest,
        via=entry.via,
        selector=entry.selector,
    )


def _entries(party: Party, version: Version, at_us: int) -> Iterator[Entry]:
    content = version.content
    yield from path_claims(party, content.paths, content.renames)
    for one in content.dependencies:
        yield _entry(replace(party, declares=one.declares or one.text), one)
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
        case _:
            raise MetaQoreError(
                "ecosystem_unknown",
                f"MetaQore cannot judge dependencies of {one.ecosystem!r}. Declare python or npm ones.",
                kind=ErrorKind.UNPROCESSABLE,
            )
