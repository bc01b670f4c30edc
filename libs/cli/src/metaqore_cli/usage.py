"""What was not understood of a command line, as JSON too where JSON was asked for: a program reads no sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from typing import Any, Final

import typer
from typer.core import TyperGroup

from metaqore_cli.output import error_dict, print_json
from metaqore_governance_core.errors import MetaQoreError

_WORDS: Final = "metaqore_cli.words"
_NOT_UNDERSTOOD: Final = 2


class Commands(TyperGroup):
    """All commands. Typer tells a person what was wrong; before it does, a program is told."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Reads the words before the first command; they are kept, for reading takes them away."""
        words = tuple(args)
        with _told(words):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[_WORDS] = words
        return context

    def invoke(self, ctx: Any) -> Any:
        """Reads the other words, and runs the command that they name."""
        with _told(ctx.meta[_WORDS]):
            return super().invoke(ctx)


@contextmanager
def _told(words: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except typer.TyperException as error:
        if error.exit_code == _NOT_UNDERSTOOD and "--json" in takewhile(lambda word: word != "--", words):
            with suppress(OSError):  # where nothing can be written, the sentence on standard error is left
                print_json({"error": error_dict(MetaQoreError("usage_invalid", _message(error)))})
        raise


def _message(error: typer.TyperException) -> str:
    said = error.format_message()
    context = getattr(error, "ctx", None)
    return said if context is None else f"{said.removesuffix('.')}. See: {context.command_path} --help"
