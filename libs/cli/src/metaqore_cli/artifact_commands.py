"""`metaqore artifact`: look at artifacts, their versions, their bodies, and where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.tree import Tree

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore_cli import finding
from metaqore_cli.artifact_shown import artifact_rows, size, tell_artifact, tell_version, version_rows
from metaqore_cli.labels import Label, label_list
from metaqore_cli.names import enum_names, enum_value
from metaqore_cli.options import At, Json, Limit, Project, Reference
from metaqore_cli.output import clean, print_json, print_table, screen, standard_output
from metaqore_cli.plain import plain
from metaqore_cli.psmp_client import paged
from metaqore_cli.shown import asking, note, phase_markup

app = typer.Typer(
    help="Artifacts: what agents make, proposed, checked and accepted version by version.",
    no_args_is_help=True,
    epilog="Examples: metaqore artifact propose src/main.py -p garden   |   metaqore artifact list -p garden",
)

Phase = Annotated[
    str | None,
    typer.Option(help="Only with a version in this phase.", autocompletion=lambda: enum_names(pb.Phase.DESCRIPTOR)),
]


@app.command(
    "list",
    epilog="Examples: metaqore artifact list -p garden   |   metaqore artifact list src/ --phase blocked   |   "
    "metaqore artifact list --at release-1 --json",
)
def list_(
    prefix: Annotated[str, typer.Argument(help="Only names that begin so.")] = "",
    project: Project = "",
    phase: Phase = None,
    label: Label = None,
    at: At = None,
    limit: Limit = 1000,
    json_: Json = False,
) -> None:
    """The artifacts of a project, by name, now or then."""
    wanted: Any = enum_value(pb.Phase.DESCRIPTOR, phase)
    with asking(json=json_) as client:
        id_ = finding.project_id(client, project)
        ask = pb.ListArtifactsRequest(
            project_id=id_,
            phase=wanted,
            labels=label_list(label),
            name_prefix=prefix,
            at=finding.point(client, id_, at),
        )
        found = list(paged(client.artifacts.ListArtifacts, ask, "artifacts", limit))
    if json_:
        print_json([plain(one) for one in found])
    else:
        print_table(("artifact", "counts", "newest", "phase", "since", "by"), artifact_rows(found))


@app.command(
    epilog="Examples: metaqore artifact show src/main.py -p garden   |   metaqore artifact show src/main.py@2   |   "
    "metaqore artifact show src/main.py --at release-1"
)
def show(reference: Reference, project: Project = "", at: At = None, json_: Json = False) -> None:
    """An artifact with its newest version, or with the one that is named: all that it declares, and what blocks it."""
    with asking(json=json_) as client:
        id_ = finding.project_id(client, project)
        then = finding.point(client, id_, at)
        found = finding.artifact(client, id_, reference, then)
        version = found.artifact.latest
        if found.version not in {None, version.number}:
            ask = pb.GetArtifactVersionRequest(artifact_id=found.artifact.id, version=found.version, at=then)
            version = client.artifacts.GetArtifactVersion(ask).version
    if json_:
        print_json(plain(found.artifact) | ({"version": plain(version)} if found.version else {}))
        return
    tell_artifact(found.artifact)
    tell_version(version)


@app.command(epilog="Example: metaqore artifact versions src/main.py -p garden")
def versions(reference: Reference, project: Project = "", limit: Limit = 100, json_: Json = False) -> None:
    """Every version of an artifact, newest first."""
    with asking(json=json_) as client:
        found = finding.artifact(client, finding.project_id(client, project), reference)
        ask = pb.ListArtifactVersionsRequest(artifact_id=found.artifact.id)
        all_ = list(paged(client.artifacts.ListArtifactVersions, ask, "versions", limit))
    if json_:
        print_json([plain(one) for one in all_])
    else:
        print_table(("version", "phase", "since", "by", "size", "conflicts"), version_rows(all_))


@app.command(
    epilog="Examples: metaqore artifact content src/main.py -p garden   |   "
    "metaqore artifact content src/main.py@2 --out old.py"
)
def content(
    reference: Reference,
    project: Project = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it into this file.")] = None,
) -> None:
    """The bytes of a version: the one that is named, else the one that counts, else the newest."""
    if out is None and standard_output().isatty():
        note("to keep it in a file: --out FILE")
    with asking(json=False) as client:
        found = finding.artifact(client, finding.project_id(client, project), reference)
        ask = pb.DownloadContentRequest(artifact_id=found.artifact.id, version=found.counting)
        parts = client.bodies.DownloadContent(ask)
        if out is None:
            for part in parts:
                standard_output().write(part.chunk)
            standard_output().flush()
            return
        written = _write(out, parts)
    note(f"{clean(str(out))}: {size(written)}, version {found.counting}")


def _write(out: Path, parts: Any) -> int:
    """Into the file at once or not at all."""
    draft = out.with_name(f".{out.name}.part")
    try:
        with draft.open("wb") as file:
            written = sum(file.write(part.chunk) for part in parts)
        draft.replace(out)
    except OSError as error:
        raise typer.BadParameter(f"{out} cannot be written: {error.strerror}.") from error
    finally:
        draft.unlink(missing_ok=True)
    return written


@app.command(
    epilog="Examples: metaqore artifact provenance report.md -p garden   |   "
    "metaqore artifact provenance data.csv --derived --depth 5"
)
def provenance(
    reference: Reference,
    project: Project = "",
    derived: Annotated[bool, typer.Option("--derived", help="What was made from it, not where it comes from.")] = False,
    depth: Annotated[int, typer.Option(help="How many steps away.", min=1, max=32)] = 8,
    json_: Json = False,
) -> None:
    """Where a version comes from, or what was made from it, as a tree."""
    with asking(json=json_) as client:
        found = finding.artifact(client, finding.project_id(client, project), reference)
        direction = pb.PROVENANCE_DIRECTION_DERIVED if derived else pb.PROVENANCE_DIRECTION_SOURCES
        ask = pb.GetProvenanceRequest(
            artifact_id=found.artifact.id, version=found.newest, direction=direction, depth=depth
        )
        graph: pb.GetProvenanceResponse = client.artifacts.GetProvenance(ask)
    if json_:
        print_json(plain(graph))
        return
    screen.print(_tree(graph, (found.artifact.id, found.newest), derived=derived))
    if graph.cut:
        note("there is more: ask for less --depth, or from one of its ends")


def _tree(graph: pb.GetProvenanceResponse, start: tuple[str, int], *, derived: bool) -> Tree:
    """The graph from `start`; what was shown already is named again without its branches."""
    nodes = {(one.version.artifact_id, one.version.version): one for one in graph.nodes}
    branches: dict[tuple[str, int], list[tuple[tuple[str, int], str]]] = {}
    for edge in graph.edges:
        made = (edge.derived.artifact_id, edge.derived.version)
        source = (edge.source.artifact_id, edge.source.version)
        relation = "continues" if edge.parent else "made from"
        if derived:
            made, source, relation = source, made, "continued by" if edge.parent else "used for"
        branches.setdefault(made, []).append((source, relation))
    seen = {start}

    def grow(tree: Tree, at: tuple[str, int]) -> None:
        for to, relation in branches.get(at, []):
            again = to in seen
            branch = tree.add(f"[dim]{relation}[/] {_node(nodes.get(to), to)}{' [dim](see above)[/]' if again else ''}")
            if not again:
                seen.add(to)
                grow(branch, to)

    tree = Tree(_node(nodes.get(start), start), highlight=False)
    grow(tree, start)
    return tree


def _node(node: pb.ProvenanceNode | None, id_: tuple[str, int]) -> str:
    if node is None:
        return f"{clean(id_[0])} v{id_[1]} [dim](not here)[/]"
    origin = node.provenance
    by = ", ".join(each for each in (origin.agent, origin.model, origin.task_id and f"task {origin.task_id}") if each)
    secrets = [f"prompt {origin.prompt_digest[:12]}…"] if origin.prompt_digest else []
    secrets += [f"{len(origin.document_digests)} documents"] if origin.document_digests else []
    told = clean(", ".join(filter(None, [by, *secrets])))
    return f"[bold]{clean(node.name)}[/] v{id_[1]} {phase_markup(node.phase)}  [dim]{told}[/]"
