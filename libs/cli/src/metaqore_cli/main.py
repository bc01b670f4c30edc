"""The `metaqore` command: puts its parts together."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from metaqore_cli import (
    artifact_commands,
    audit_commands,
    checkpoint_commands,
    conflict_commands,
    key_commands,
    mesh_commands,
    offer_commands,
    past_commands,
    project_commands,
    task_commands,
    verdict_commands,
    work_commands,
)
from metaqore_cli.output import guarded
from metaqore_cli.usage import Commands

app = typer.Typer(
    cls=Commands,
    help="Run a MetaQore mesh, send tasks through it, and verify what it did.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,  # it would show local variables, and with them keys and prompts
    epilog='Start: metaqore up --detach   |   then: metaqore task submit "Hello"   |   metaqore audit verify --all',
)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 - typer's signature
    if wanted:
        print(version("metaqore-cli"))
        raise typer.Exit


@app.callback()
def of_all(
    _: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_tell_version, is_eager=True)
    ] = False,
) -> None:
    """What every command takes."""


app.command(epilog="Examples: metaqore up   |   metaqore up --detach --config metaqore.yaml")(mesh_commands.up)
app.command("status", epilog="Example: metaqore status --json | jq .endpoints")(mesh_commands.show_status)
app.command(epilog="Example: metaqore down")(mesh_commands.down)
task_commands.app.add_typer(work_commands.app)
project_commands.app.add_typer(past_commands.app)
artifact_commands.app.add_typer(offer_commands.app)
artifact_commands.app.add_typer(verdict_commands.app)
app.add_typer(task_commands.app, name="task")
app.add_typer(project_commands.app, name="project")
app.add_typer(artifact_commands.app, name="artifact")
app.add_typer(conflict_commands.app, name="conflict")
app.add_typer(checkpoint_commands.app, name="checkpoint")
app.add_typer(key_commands.app, name="key")
app.add_typer(audit_commands.app, name="audit")


def main() -> None:
    """The entry point of the `metaqore` script."""
    sys.exit(guarded(app))
