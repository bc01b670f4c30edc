"""`metaqore artifact activate|approve|veto|reject|…`: decide about versions, and end them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore_cli import completion, finding
from metaqore_cli.options import Changing, Project, Reference, Why, Yes, grouped
from metaqore_cli.output import clean
from metaqore_cli.psmp_client import PsmpClient, paged
from metaqore_cli.sentences import Verb, counted
from metaqore_cli.shown import answered, ask_first, asking, tell_conflicts

app = typer.Typer()

MaybeWhy = Annotated[str, typer.Option("--why", "-m", help="Why, for the record.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flexible:
    """The three commands that the mode flexible adds."""

    own: Annotated[bool, typer.Option("--own", help="Flexible: although you proposed it yourself.")] = False
    over_warning: Annotated[bool, typer.Option("--over-warning", help="Flexible: although warnings are open.")] = False
    propose: Annotated[bool, typer.Option("--propose", help="Flexible: a draft, proposed and activated in one.")] = (
        False
    )

    def request(self, why: str) -> tuple[str, type[Any], dict[str, str]]:
        """The call, its request, and its reason where it asks for one. Raises `typer.BadParameter`."""
        asked = [name for name in ("own", "over_warning", "propose") if getattr(self, name)]
        if len(asked) > 1:
            raise typer.BadParameter("Give one of --own, --over-warning and --propose.")
        if bool(asked) != bool(why):
            raise typer.BadParameter("--own, --over-warning and --propose need --why, and only they take one.")
        calls: dict[str, tuple[str, type[Any]]] = {
            "own": ("ActivateOwnArtifact", pb.ActivateOwnArtifactRequest),
            "over_warning": ("ActivateArtifactOverWarning", pb.ActivateArtifactOverWarningRequest),
            "propose": ("ProposeAndActivateArtifact", pb.ProposeAndActivateArtifactRequest),
        }
        if not asked:
            return "ActivateArtifact", pb.ActivateArtifactRequest, {}
        return (*calls[asked[0]], {"why": why})


@app.command(
    epilog="Examples: metaqore artifact activate src/main.py@2 -p garden   |   "
    "metaqore artifact activate src/* -p garden   |   "
    'metaqore artifact activate main.py@2 --own --why "hotfix, nobody else is awake"'
)
@grouped
def activate(
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="ARTIFACT...",
            help="Names or ids, each with @<version>, or its newest is meant.",
            autocompletion=completion.artifacts,
        ),
    ],
    how: Changing,
    flexible: _Flexible,
    project: Project = "",
    why: MaybeWhy = "",
) -> None:
    """Let proposals count, one after another. The version that counted is deprecated in the same step.

    No mode passes a blocking conflict, a veto or a missing approval.
    """
    name, request, reason = flexible.request(why)
    with asking(json=how.json) as client:
        id_ = finding.project_id(client, project)
        for reference in references:
            found = finding.artifact(client, id_, reference)
            ask = how.ask(request, artifact_id=found.artifact.id, version=found.newest, **reason)
            done = getattr(client.artifacts, name)(ask)
            if answered(how, done, f"[bold]{clean(found.artifact.name)}[/] v{found.newest}", "counts", "now"):
                tell_conflicts(done.conflicts, stand=not how.dry_run)


@app.command(epilog="Example: metaqore artifact approve src/main.py@2 -p garden --role reviewer")
@grouped
def approve(
    reference: Reference,
    role: Annotated[str, typer.Option(help="A role of yours that the project asks for.")],
    how: Changing,
    project: Project = "",
) -> None:
    """Approve a proposal in a role."""
    step = _Step("ApproveArtifact", pb.ApproveArtifactRequest, "is", f"approved as {clean(role)}")
    step.take(how, project, reference, role=role)


@app.command(epilog='Example: metaqore artifact veto src/main.py@2 -p garden --why "it logs passwords"')
@grouped
def veto(reference: Reference, why: Why, how: Changing, project: Project = "") -> None:
    """Forbid that a proposal becomes active; only you can lift that again."""
    _Step("VetoArtifact", pb.VetoArtifactRequest, "is", "vetoed").take(how, project, reference, why=why)


@app.command("lift-veto", epilog='Example: metaqore artifact lift-veto src/main.py@2 -p garden --why "they are gone"')
@grouped
def lift_veto(reference: Reference, why: Why, how: Changing, project: Project = "") -> None:
    """Take your veto back."""
    step = _Step("LiftArtifactVeto", pb.LiftArtifactVetoRequest, "is", "free of your veto")
    step.take(how, project, reference, why=why)


@app.command(epilog='Example: metaqore artifact reject src/main.py@2 -p garden --why "the tests fail"')
@grouped
def reject(reference: Reference, why: Why, how: Changing, project: Project = "") -> None:
    """Turn a proposal down, for good."""
    _Step("RejectArtifact", pb.RejectArtifactRequest, "is", "rejected").take(how, project, reference, why=why)


@app.command(epilog="Example: metaqore artifact withdraw notes.md@1 -p garden")
@grouped
def withdraw(reference: Reference, how: Changing, project: Project = "", why: MaybeWhy = "") -> None:
    """Take a draft back, for good."""
    _Step("WithdrawArtifact", pb.WithdrawArtifactRequest, "is", "withdrawn").take(how, project, reference, why=why)


@app.command(epilog='Example: metaqore artifact deprecate src/old.py -p garden --why "nothing calls it"')
@grouped
def deprecate(reference: Reference, why: Why, how: Changing, project: Project = "") -> None:
    """Let the active version count no more."""
    step = _Step("DeprecateArtifact", pb.DeprecateArtifactRequest, "counts", "no more", _counting)
    step.take(how, project, reference, why=why)


@app.command(epilog='Example: metaqore artifact archive src/old.py -p garden --why "kept for the record"')
@grouped
def archive(reference: Reference, why: Why, how: Changing, project: Project = "") -> None:
    """End a deprecated version, for good: the one that is named, else the newest that is deprecated."""
    step = _Step("ArchiveArtifact", pb.ArchiveArtifactRequest, "is", "archived", _deprecated)
    step.take(how, project, reference, why=why)


@app.command(epilog='Example: metaqore artifact retire src/old.py -p garden --why "the module is gone"')
@grouped
def retire(reference: Reference, why: Why, how: Changing, project: Project = "", yes: Yes = False) -> None:
    """End every version of an artifact, each through all the phases between. It removes nothing."""
    with asking(json=how.json) as client:
        found = _found(client, project, reference)
        if not (how.dry_run or yes):
            versions = counted(found.artifact.latest.number, "version")
            ask_first(f"End {found.artifact.name} with its {versions}, for good?", json=how.json)
        ask = how.ask(pb.RetireArtifactRequest, artifact_id=found.artifact.id, why=why)
        done = client.artifacts.RetireArtifact(ask)
    answered(how, done, f"every version of [bold]{clean(found.artifact.name)}[/]", "has", "ended")


@app.command(epilog='Example: metaqore artifact erase people.csv@3 -p garden --why "asked for under GDPR, case 42"')
@grouped
def erase(reference: Reference, why: Why, how: Changing, project: Project = "", yes: Yes = False) -> None:
    """Destroy the key of a version's body: nobody can read it again. Its history stays, and stays provable.

    It needs psmp:erase, and erases the same body wherever your organization has it.
    """
    with asking(json=how.json) as client:
        found = _found(client, project, reference)
        if found.version is None:
            raise typer.BadParameter(f"Say which version, such as {found.artifact.name}@{found.newest}.")
        if not (how.dry_run or yes):
            ask_first(f"Destroy the body of {found.artifact.name} v{found.version}, for good?", json=how.json)
        ask = how.ask(pb.EraseArtifactBodyRequest, artifact_id=found.artifact.id, version=found.version, why=why)
        done = client.artifacts.EraseArtifactBody(ask)
    answered(how, done, f"the body of [bold]{clean(found.artifact.name)}[/] v{found.version}", "is", "erased")


def _found(client: PsmpClient, project: str, reference: str) -> finding.Found:
    return finding.artifact(client, finding.project_id(client, project), reference)


def _newest(_client: PsmpClient, found: finding.Found) -> int:
    return found.newest


def _counting(_client: PsmpClient, found: finding.Found) -> int:
    return found.counting


def _deprecated(client: PsmpClient, found: finding.Found) -> int:
    """The version that is named, else the newest that is deprecated."""
    if found.version:
        return found.version
    ask = pb.ListArtifactVersionsRequest(artifact_id=found.artifact.id, phase=pb.PHASE_DEPRECATED)
    newest = next(iter(paged(client.artifacts.ListArtifactVersions, ask, "versions", 1)), None)
    return found.artifact.latest.number if newest is None else int(newest.number)


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of one version: its call, how what it does is told, and which version is meant where none is named."""

    call: str
    request: type[Any]
    verb: Verb
    told: str
    number: Callable[[PsmpClient, finding.Found], int] = _newest

    def take(self, how: Changing, project: str, reference: str, **fields: str) -> None:
        """Ask for it, and tell what came of it."""
        with asking(json=how.json) as client:
            found = _found(client, project, reference)
            number = self.number(client, found)
            ask = how.ask(self.request, artifact_id=found.artifact.id, version=number, **fields)
            done = getattr(client.artifacts, self.call)(ask)
        answered(how, done, f"[bold]{clean(found.artifact.name)}[/] v{number}", self.verb, self.told)
