"""How artifacts and their versions look to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore_cli.labels import labels_text
from metaqore_cli.moments import ago, local
from metaqore_cli.names import sensitivity_name
from metaqore_cli.output import clean
from metaqore_cli.sentences import Verb
from metaqore_cli.shown import phase_markup, tell_conflicts, tell_lines

_KIB = 1024


def artifact_rows(artifacts: Iterable[pb.Artifact]) -> Iterator[tuple[str, ...]]:
    """For a table: name, the version that counts, the newest, its phase, since when, by whom."""
    for one in artifacts:
        newest = one.latest
        yield (
            clean(one.name),
            f"v{one.active_version}" if one.active_version else "-",
            f"v{newest.number}",
            phase_markup(newest.phase),
            ago(newest.phase_time),
            clean(newest.proposed_by or newest.drafted_by),
        )


def tell_artifact(one: pb.Artifact) -> None:
    """An artifact, a line for each thing that it has."""
    tell_lines(
        {
            "artifact": f"[bold]{clean(one.name)}[/]",
            "id": clean(one.id),
            "project": clean(one.project_id),
            "description": clean(one.description),
            "labels": clean(labels_text(one.labels)),
            "counts": f"version {one.active_version}" if one.active_version else "no version",
            "revision": str(one.revision),
            "created": local(one.create_time),
        }
    )


def tell_version(one: pb.ArtifactVersion) -> None:
    """A version with all that it declares, its reviews and its conflicts."""
    declared, origin = one.declarations, one.provenance
    tell_lines(
        {
            "version": f"[bold]{one.number}[/] {phase_markup(one.phase)} since {local(one.phase_time)}",
            "drafted by": f"{clean(one.drafted_by)}, {local(one.create_time)}",
            "proposed by": clean(one.proposed_by),
            "lapses": local(one.expire_time),
            "body": "erased" if one.erased else f"{size(one.body.size_bytes)} {clean(one.body.media_type)}",
            "digest": clean(one.body.digest),
            "semantic version": clean(declared.semantic_version),
            "sensitivity": sensitivity_name(declared.sensitivity) if declared.sensitivity else "",
            "environment": clean(declared.environment),
            "paths": clean(", ".join(declared.paths)),
            "renames": clean(", ".join(f"{each.from_path} -> {each.to_path}" for each in declared.renames)),
            "requires": clean(", ".join(map(requirement, declared.dependencies))),
            "agent": clean(origin.agent),
            "model": clean(origin.model),
            "task": clean(origin.task_id),
            "made from": clean(", ".join(origin.inputs)),
            "continues": clean(", ".join(origin.parents)),
            "approved by": clean(", ".join(f"{each.by} as {each.role}" for each in one.approvals)),
            "vetoed by": clean(", ".join(f"{each.by} ({each.why})" for each in one.vetoes)),
        }
    )
    tell_conflicts(one.conflicts)


def version_rows(versions: Iterable[pb.ArtifactVersion]) -> Iterator[tuple[str, ...]]:
    """For a table: number, phase, since when, who, size, conflicts."""
    for one in versions:
        yield (
            f"v{one.number}",
            phase_markup(one.phase),
            ago(one.phase_time),
            clean(one.proposed_by or one.drafted_by),
            "erased" if one.erased else size(one.body.size_bytes),
            str(len(one.conflicts)) if one.conflicts else "",
        )


def size(size_bytes: int) -> str:
    """`512 B`, `4.0 KiB`, `2.5 MiB`."""
    amount, unit = float(size_bytes), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < _KIB:
            break
        amount, unit = amount / _KIB, larger
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"


def requirement(one: pb.Dependency) -> str:
    """`numpy>=2 (python)`; for others the name and its range."""
    text = one.text if one.ecosystem == "python" else f"{one.name} {one.text}".strip()
    return f"{text} ({one.ecosystem})"


def told(one: pb.Artifact) -> tuple[str, Verb, str]:
    """`main.py v2 is a draft`, as the parts of a sentence."""
    article = "a " if one.latest.phase == pb.PHASE_DRAFT else ""
    return f"[bold]{clean(one.name)}[/] v{one.latest.number}", "is", f"{article}{phase_markup(one.latest.phase)}"
