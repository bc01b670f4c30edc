"""The options that commands of PSMP share."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from itertools import chain
from typing import Annotated, Any, Final, TypeVar, cast, get_type_hints

import typer
from google.protobuf.message import Message

from metaqore_cli import completion
from metaqore_cli.output import JSON_OPTION

M = TypeVar("M", bound=Message)

Project = Annotated[
    str,
    typer.Option(
        "--project",
        "-p",
        envvar="METAQORE_PROJECT",
        help="The project, by name or id; your organization's default where none is given.",
        autocompletion=completion.projects,
    ),
]
Json = Annotated[bool, JSON_OPTION]
Limit = Annotated[int, typer.Option("--limit", "-n", help="At most so many.", min=1, max=100_000)]
At = Annotated[
    str | None,
    typer.Option(
        help="As it was then: a version (41), a time (2026-10-03T14:00, '2h ago'), or a checkpoint.",
        autocompletion=completion.checkpoints,
    ),
]
Why = Annotated[str, typer.Option("--why", "-m", help="Why, for the record.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Reference = Annotated[
    str,
    typer.Argument(
        metavar="ARTIFACT",
        help="Its name or id; with @<version> for that version, such as main.py@2.",
        autocompletion=completion.artifacts,
    ),
]
ProjectName = Annotated[
    str, typer.Argument(metavar="PROJECT", help="Its name or id.", autocompletion=completion.projects)
]

_DRY_RUN = Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and do nothing.")]
_REVISION = Annotated[
    int | None,
    typer.Option("--if-revision", help="Only where it is still at this revision; else it is refused.", min=0),
]
_KEY = Annotated[
    str,
    typer.Option("--idempotency-key", help="A repeat with the same key and content gets the first answer again."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How something is asked for, and how the answer is shown."""

    dry_run: _DRY_RUN = False
    idempotency_key: _KEY = ""
    json: Json = False

    def ask(self, request: type[M], **fields: Any) -> M:
        """The request with these fields; those that are None are left out."""
        given = {name: value for name, value in fields.items() if value is not None}
        return request(dry_run=self.dry_run, idempotency_key=self.idempotency_key, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changing(Making):
    """How a change of something that is there is asked for."""

    if_revision: _REVISION = None

    def ask(self, request: type[M], **fields: Any) -> M:
        """The request with these fields, and the revision that was seen."""
        return Making.ask(self, request, expected_version=self.if_revision, **fields)


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Lets a parameter of `command` be a dataclass: each of its fields becomes an option."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, type[Any]] = {
        name: cast("type[Any]", one.annotation)
        for name, one in signature.parameters.items()
        if is_dataclass(one.annotation)
    }
    options = {name: _options(group) for name, group in groups.items()}
    own = [one.replace(kind=_KEYWORD) for name, one in signature.parameters.items() if name not in groups]

    @functools.wraps(command)
    def asked(**given: Any) -> None:
        made = {name: groups[name](**{one.name: given.pop(one.name) for one in options[name]}) for name in groups}
        command(**given, **made)

    asked.__dict__["__signature__"] = signature.replace(parameters=[*own, *chain.from_iterable(options.values())])
    return asked


_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY


def _options(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(one.name, _KEYWORD, default=one.default, annotation=hints[one.name]) for one in fields(group)
    ]
