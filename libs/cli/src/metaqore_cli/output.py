"""What a person sees: tables, JSON where it is asked for, and errors that say what to do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO, TypeVar

import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from metaqore_governance_core.errors import ErrorKind, MetaQoreError

T = TypeVar("T")

JSON_OPTION: Final = typer.Option("--json", help="Print JSON, for programs.")

PIPED_COLUMNS: Final = 200
"""How wide a line may be that no terminal shows: whole ids, for grep and for people who copy them."""

FOLDED: Final = 20
"""A word longer than this may be folded in a table; a shorter one is read whole."""

_EDGES: Final = "┃  ┃"
_BETWEEN: Final = " ┃ "

WIDE: Final = 150
"""From this many columns on, a table may say everything."""


def _width(stream: TextIO | None) -> int | None:
    """What rich finds out by itself is None; a `stream` that was closed beforehand is None, too."""
    return None if stream is None or stream.isatty() or "COLUMNS" in os.environ else PIPED_COLUMNS


screen = Console(width=_width(sys.stdout))
notes = Console(stderr=True, width=_width(sys.stderr))


def print_json(value: Any) -> None:
    """`value` on one line of standard output; protobuf messages with their field names."""
    plain = MessageToDict(value, preserving_proto_field_name=True) if isinstance(value, Message) else value
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"  # none where it is gathered in memory
    print(json.dumps(plain, ensure_ascii=encoding.lower() != "utf-8"))


def error_dict(error: MetaQoreError) -> dict[str, Any]:
    """An error as plain values."""
    return {
        "code": error.code,
        "message": error.message,
        "reasons": list(error.reasons),
        "retryable": error.retryable,
    }


@contextmanager
def errors_told(*, json: bool) -> Iterator[None]:
    """With `json` an error that leaves the block is told as JSON, too: a program reads no sentences."""
    try:
        yield
    except MetaQoreError as error:
        if json:
            with suppress(OSError):  # where nothing can be written, the sentence on standard error is left
                print_json({"error": error_dict(error)})
        raise


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None) -> None:
    """A table for a person, of cells in markup. Its first column is never cut: it holds what other commands ask for.

    Where it is too wide for whole words, each row is a paragraph instead, with a line for each column.
    """
    shown = list(rows)
    words = [_longest_word([name, *(row[position] for row in shown)]) for position, name in enumerate(columns)]
    first = max((cell_len(_plain(row[0])) for row in shown), default=0)
    spare = screen.width - max(words[0], first) - sum(words[1:]) - len(_BETWEEN) * (len(columns) - 1)
    if spare < 0:
        _print_paragraphs(columns, shown, title)
        return
    edge = spare >= len(_EDGES)
    table = Table(title=title, title_justify="left", header_style="bold", show_edge=edge, pad_edge=edge)
    for position, name in enumerate(columns):
        least = words[position] if position else first
        table.add_column(name, overflow="fold", no_wrap=position == 0, min_width=least)
    for row in shown:
        table.add_row(*row)
    screen.print(table)


def _print_paragraphs(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None) -> None:
    if title:
        screen.print(title)
    width = max(len(name) for name in columns)
    for row in rows:
        screen.print(f"[bold]{row[0]}[/]", highlight=False, soft_wrap=True)
        for name, value in zip(columns[1:], row[1:], strict=True):
            if value:
                screen.print(f"  {name:<{width}}  {value}", highlight=False, soft_wrap=True)


def _longest_word(cells: Iterable[str]) -> int:
    """In columns of a terminal; of a word that is longer than most, so many as it is folded to."""
    return min(max((cell_len(word) for cell in cells for word in _plain(cell).split()), default=0), FOLDED)


def _plain(markup: str) -> str:
    return Text.from_markup(markup).plain


def clean(text: str) -> str:
    """Text from elsewhere, to be put into markup: nothing in it is markup, or steers the terminal."""
    return escape("".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text))


def standard_input() -> bytes:
    """All of it. Raises `typer.BadParameter` where it was closed beforehand: it is None then."""
    if sys.stdin is None:
        raise typer.BadParameter("Standard input is closed. Name a file.")
    return sys.stdin.buffer.read()


def standard_output() -> BinaryIO:
    """For bytes as they are. Raises `typer.BadParameter` where it was closed beforehand: it is None then."""
    if sys.stdout is None:
        raise typer.BadParameter("Standard output is closed. Give --out FILE.")
    return sys.stdout.buffer


def guarded(command: Callable[[], T]) -> T:
    """Runs `command`; a `MetaQoreError` becomes a sentence on standard error and exit code 1 (3 for a denial).

    So does what the machine refuses, such as a full disk, and what was given and is no text.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what a terminal cannot show is told by its number, and ends nothing
            stream.reconfigure(errors="backslashreplace")
    try:
        return _written(command)
    except MetaQoreError as error:
        _tell(error)
        sys.exit(3 if error.kind is ErrorKind.FORBIDDEN else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        _tell(MetaQoreError("machine_refused", f"The machine refused: {error.strerror or error}{where}."))
        sys.exit(1)
    except UnicodeEncodeError:  # Python keeps what was no text on the command line or in a variable as surrogates
        _tell(MetaQoreError("not_utf8", "Something given is not UTF-8 text. Give a file that is; see also LANG."))
        sys.exit(1)
    finally:
        _give_up_what_cannot_be_written()


def _written(command: Callable[[], T]) -> T:
    """Runs `command`; what it printed is written before it counts as done. Raises `OSError` where it cannot be."""
    try:
        result = command()
    except SystemExit as end:  # so typer's commands end, the good ones too
        if not end.code:
            flush_output()
        raise
    flush_output()
    return result


def flush_output() -> None:
    """Writes out what was printed. Raises `OSError` where it cannot be written."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _give_up_what_cannot_be_written() -> None:
    """Else Python tries once more as it ends, shows where in its own code that failed, and exits with 120."""
    try:
        flush_output()
    except OSError:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _tell(error: MetaQoreError) -> None:
    more = [reason for reason in error.reasons if reason != error.code]
    reasons = f" ({', '.join(more)})" if more else ""
    notes.print(f"[bold red]{clean(error.code)}[/]{clean(f'{reasons}: {error.message}')}", highlight=False)
