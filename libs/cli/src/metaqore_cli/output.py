"""What a person sees: tables, JSON where it is asked for, and errors that say what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

T = TypeVar("T")

JSON_OPTION: Final = typer.Option("--json", help="Print JSON, for programs.")

screen = Console()
notes = Console(stderr=True)


def print_json(value: Any) -> None:
    """`value` on one line of standard output; protobuf messages with their field names."""
    plain = MessageToDict(value, preserving_proto_field_name=True) if isinstance(value, Message) else value
    print(json.dumps(plain, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """A table for a person."""
    table = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        table.add_row(*row)
    screen.print(table)


def guarded(command: Callable[[], T]) -> T:
    """Runs `command`; a `MetaQoreError` becomes a sentence on standard error and exit code 1 (3 for a denial)."""
    try:
        return command()
    except MetaQoreError as error:
        reasons = f" ({', '.join(error.reasons)})" if error.reasons else ""
        notes.print(f"[bold red]{error.code}[/]{reasons}: {error.message}", highlight=False)
        sys.exit(3 if error.kind is ErrorKind.FORBIDDEN else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
