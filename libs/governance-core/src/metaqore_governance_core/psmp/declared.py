"""From a manifest to what a version declares, and from that to the entries that are judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, assert_never

from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.psmp.actor import SYSTEM
from metaqore_governance_core.psmp.artifact_state import Artifact, Dependency, Version
from metaqore_governance_core.psmp.conflicts.cargo_links import CargoLink
from metaqore_governance_core.psmp.conflicts.cargo_requirements import CargoRequirement
from metaqore_governance_core.psmp.conflicts.declaration import Declaration, Entry
from metaqore_governance_core.psmp.conflicts.effort import bounded_effort
from metaqore_governance_core.psmp.conflicts.go_requirements import GO, GoKind, GoRequirement
from metaqore_governance_core.psmp.conflicts.go_versions import go_version, module_version
from metaqore_governance_core.psmp.conflicts.manifest import Manifest, PackageEntry
from metaqore_governance_core.psmp.conflicts.maven_requirements import MavenRequirement, maven_range
from metaqore_governance_core.psmp.conflicts.model import Party
from metaqore_governance_core.psmp.conflicts.npm_tree import NpmKind, NpmRequirement
from metaqore_governance_core.psmp.conflicts.ownership import TaskHold, lease_of
from metaqore_governance_core.psmp.conflicts.paths import path_claims
from metaqore_governance_core.psmp.conflicts.python_requirements import PythonRequirement, python_requirement
from metaqore_governance_core.psmp.work import Work

LINKS: Final = "links"
"""The kind of a dependency of Cargo that is a native library, whose name stands in its text."""

ALL_VERSIONS: Final = "*"
"""The text of a replacement in Go that holds for all versions of the module."""


def dependencies_of(manifest: Manifest) -> tuple[Dependency, ...]:
    """What a version that carries this manifest declares."""
    return tuple(_dependency(entry) for entry in manifest.entries)


def declaration_of(artifact: Artifact, version: Version, at_us: int) -> Declaration:
    """All that a version, proposed at `at_us`, can clash with others over.

    Raises `MetaQoreError` where a declaration cannot be read.
    """
    party = Party(artifact.name, version.number, version.proposed_by or version.drafted_by, "")
    with bounded_effort():
        entries = tuple(_entries(party, version, at_us))
    return Declaration(
        artifact.organization,
        artifact.project,
        party,
        entries,
        version.content.environment,
    )


def hold_of(work: Work) -> TaskHold | None:
    """The lease on a task, as it meets those who propose for that task; None where nobody holds it."""
    if not work.holder:
        return None
    party = Party(lease_of(work.id), work.claims, work.holder, f"holds the task {work.id}")
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
        case MavenRequirement():
            return Dependency("maven", entry.name, entry.text, declares)
        case GoRequirement():
            text = entry.text or ALL_VERSIONS
            return Dependency("go", entry.name, text, declares, kind=entry.kind.value, selector=entry.target)
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
    if content.provenance.task and version.drafted_by != SYSTEM.name:  # to bring back is not to work
        made = replace(party, declares=f"was made for the task {content.provenance.task}")
        yield TaskHold(made, content.provenance.task, party.by, at_us, at_us + 1)


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
        case "maven":
            maven_range(one.text)
            return MavenRequirement(party, one.name, one.text)
        case "go":
            return _of_go(party, one)
        case _:
            raise MetaQoreError(
                "ecosystem_unknown",
                f"MetaQore cannot judge dependencies of {one.ecosystem!r}. Use python, npm, cargo, maven or go.",
                kind=ErrorKind.UNPROCESSABLE,
            )


def _of_go(party: Party, one: Dependency) -> GoRequirement:
    """`kind` is the directive, `require` where none is given; `selector` is what a replacement puts in its place."""
    if one.kind and one.kind not in set(GoKind):
        kinds = ", ".join(GoKind)
        raise MetaQoreError("requirement_invalid", f"Go has no {one.kind!r} that matters here. Use one of {kinds}.")
    kind = GoKind(one.kind or GoKind.REQUIRE)
    replaces = kind in {GoKind.REPLACE, GoKind.WORK_REPLACE}
    if replaces is not bool(one.selector):
        raise MetaQoreError("requirement_invalid", f"A {kind} of Go names what takes the module's place in `selector`.")
    text = "" if replaces and one.text == ALL_VERSIONS else one.text
    if kind in {GoKind.GO, GoKind.WORK_GO}:
        go_version(text)
    elif text:
        module_version(text)
    return GoRequirement(party, GO if kind in {GoKind.GO, GoKind.WORK_GO} else one.name, text, kind, one.selector)
