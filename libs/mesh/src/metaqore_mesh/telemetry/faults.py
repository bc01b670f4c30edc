"""An exception as a log may show it: where it came from, without what it says of the data."""

from __future__ import annotations

from traceback import walk_tb
from typing import Any

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.telemetry.redaction import cleaned

#: Their messages speak of the program or the machine. Any other message may quote what a caller sent, as
#: `ValueError: invalid literal for int() with base 10: '<the prompt>'` does, so only its type is told.
_SPEAK_OF_THE_PROGRAM = (
    MetaQoreError,
    OSError,
    AttributeError,
    ImportError,
    NameError,
    NotImplementedError,
    RecursionError,
    TypeError,
)
_FRAMES = 30
_CHAIN = 8


def described(error: BaseException) -> list[dict[str, Any]]:
    """`error` and what led to it, outermost first: type, code, frames (`file:line function`, innermost last)."""
    found: list[dict[str, Any]] = []
    at: BaseException | None = error
    while at is not None and len(found) < _CHAIN:
        found.append(_one(at))
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return found


def _one(error: BaseException) -> dict[str, Any]:
    told: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")}
    if isinstance(error, MetaQoreError):
        told["code"] = error.code
    if isinstance(error, _SPEAK_OF_THE_PROGRAM):
        told["message"] = cleaned(str(error))
    told["frames"] = [_frame(frame.f_code, line) for frame, line in walk_tb(error.__traceback__)][-_FRAMES:]
    if isinstance(error, BaseExceptionGroup):
        told["errors"] = [described(inner) for inner in error.exceptions[:_CHAIN]]
    return told


def _frame(code: Any, line: int) -> str:
    short = "/".join(code.co_filename.rsplit("/", 3)[-3:])
    return f"{short}:{line} {code.co_qualname}"
