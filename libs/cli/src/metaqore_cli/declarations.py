"""What a version declares and where it comes from, as options of the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from metaqore.psmp.v1 import artifact_pb2 as pb
from metaqore_cli.names import SENSITIVITIES, sensitivity_value

ECOSYSTEMS: Final = ("python", "npm", "cargo", "maven", "go")
_VERSION_NEEDED: Final = frozenset({"maven", "go"})
_PYTHON_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")

_Renames = Annotated[
    list[str] | None, typer.Option("--rename", help="A path that it moves, as old/path=new/path. May be repeated.")
]
_Requires = Annotated[
    list[str] | None,
    typer.Option(
        "--requires",
        help="What it needs beyond its manifest: 'python:numpy>=2', npm:react@^18, cargo:serde@1.2, "
        "'maven:group:artifact@[1,2)', go:example.com/module@v1.2.0. May be repeated.",
    ),
]
_Environment = Annotated[
    str, typer.Option(help="Where its requirements are installed; the project's own where none is given.")
]
_Semver = Annotated[str, typer.Option("--semver", help="Its semantic version, as 1.4.0.")]
_Sensitivity = Annotated[
    str | None,
    typer.Option(help="At least this sensitive. It only ever raises.", autocompletion=lambda: SENSITIVITIES),
]
_Inputs = Annotated[
    list[str] | None, typer.Option("--input", help="What it was made from, as notes.md@3. May be repeated.")
]
_Parents = Annotated[
    list[str] | None, typer.Option("--parent", help="What it continues or merges, as main.py@2. May be repeated.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a version declares."""

    rename: _Renames = None
    requires: _Requires = None
    environment: _Environment = ""
    semver: _Semver = ""
    sensitivity: _Sensitivity = None

    def message(self, paths: list[str]) -> pb.Declarations:
        """The same with its paths. Raises `typer.BadParameter`."""
        return pb.Declarations(
            paths=paths,
            renames=[_rename(one) for one in self.rename or []],
            dependencies=[_dependency(one) for one in self.requires or []],
            environment=self.environment,
            semantic_version=self.semver,
            sensitivity=sensitivity_value(self.sensitivity),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFrom:
    """Where a version comes from."""

    agent: Annotated[str, typer.Option(help="The agent that made it; you, where none is given.")] = ""
    model: Annotated[str, typer.Option(help="The model that wrote it.")] = ""
    task: Annotated[str, typer.Option(help="The task that it was made for, by id.")] = ""
    input: _Inputs = None
    parent: _Parents = None

    def message(self, find: Callable[[str], str]) -> pb.Provenance:
        """The same; `find` gives `<artifact id>@<version>` of a reference."""
        return pb.Provenance(
            agent=self.agent,
            model=self.model,
            task_id=self.task,
            inputs=[find(one) for one in self.input or []],
            parents=[find(one) for one in self.parent or []],
        )


def amended(before: pb.Declarations, given: pb.Declarations) -> pb.Declarations:
    """What stood there, with what is given in its place."""
    after = pb.Declarations()
    after.CopyFrom(before)
    for field, _ in given.ListFields():
        after.ClearField(field.name)  # type: ignore[arg-type]  # a field's name, as the message has it
    after.MergeFrom(given)
    return after


def _rename(text: str) -> pb.Rename:
    old, equals, new = text.partition("=")
    if not (old and equals and new):
        raise typer.BadParameter(f"{text!r} is no rename. Write old/path=new/path.")
    return pb.Rename(from_path=old, to_path=new)


def _dependency(text: str) -> pb.Dependency:
    ecosystem, _, wanted = text.partition(":")
    if ecosystem not in ECOSYSTEMS or not wanted:
        raise typer.BadParameter(
            f"{text!r} is no requirement. Write python:numpy>=2, npm:react@^18, cargo:serde@1.2, "
            "maven:group:artifact@1.2 or go:example.com/module@v1.2.0."
        )
    declared: dict[str, Any] = {"ecosystem": ecosystem, "declares": wanted}
    if ecosystem == "python":
        name = _PYTHON_NAME.match(wanted)
        if name is None:
            raise typer.BadParameter(f"{wanted!r} names no package. Write python:numpy>=2.")
        return pb.Dependency(name=name[0], text=wanted, **declared)
    # The @ of npm's scopes, as in @types/node@20, begins no range.
    name_, at, range_ = wanted[1:].partition("@")
    if ecosystem in _VERSION_NEEDED and not at:
        raise typer.BadParameter(f"{text!r} names no version. Write it behind an @.")
    return pb.Dependency(name=wanted[0] + name_, text=range_ if at else "*", **declared)
