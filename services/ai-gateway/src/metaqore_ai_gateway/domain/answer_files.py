"""The files that a model's answer holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from typing import Final

from metaqore_ai_gateway.domain.fenced_blocks import Block, fenced_blocks
from metaqore_ai_gateway.domain.media_types import media_type_of
from metaqore_ai_gateway.domain.named_paths import inside, path_behind_fence, path_in_line
from metaqore_ai_gateway.domain.tool_files import ToolCall, files_written
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from metaqore_governance_core.value_object import value_object

MAX_FILES: Final = 100
MAX_FILE_BYTES: Final = 1 << 20
MAX_TOTAL_BYTES: Final = 4 << 20

_NO_FILES: Final = frozenset(
    {"diff", "patch", "udiff", "suggestion", "output", "stdout", "stderr", "log", "tree", "shell-session"}
)
"""Blocks in these are about files."""

_SHELLS: Final = frozenset(
    {"bash", "sh", "shell", "zsh", "fish", "console", "terminal", "powershell", "ps1", "cmd", "bat"}
)
_SCRIPTS: Final = frozenset({"sh", "bash", "zsh", "fish", "ps1", "psm1", "cmd", "bat", "bats", "command"})


@value_object
class AnswerFile:
    """A whole text file. `path` is relative to its project and stays inside it."""

    path: str
    media_type: str
    content: bytes = field(repr=False)


@value_object
class AnswerFiles:
    """What an answer holds, in the order of its paths' first mention. `refused` counts paths that lead elsewhere."""

    files: tuple[AnswerFile, ...]
    refused: int = 0


def files_in(text: str, calls: Sequence[ToolCall] = ()) -> AnswerFiles:
    """The files in an answer's text and tool calls: fenced blocks with a path, and calls that write a file.

    Where a path comes twice the last one counts: a model that writes a file again has corrected it. Raises
    `answer_files_too_many` or `answer_files_too_large`: a part of them would be half a change.
    """
    found: dict[str, AnswerFile] = {}
    refused = 0
    for named, content in _named(text, calls):
        path = inside(named)
        raw = _encoded(content)
        if path is None or raw is None:
            refused += 1
            continue
        if len(raw) > MAX_FILE_BYTES:
            raise _too_large(f"A file in the answer has more than {MAX_FILE_BYTES} bytes.")
        found[path] = AnswerFile(path, media_type_of(path), raw)
        if len(found) > MAX_FILES:
            message = f"The answer holds more than {MAX_FILES} files. Ask for fewer."
            raise MetaQoreError("answer_files_too_many", message, kind=ErrorKind.TOO_LARGE)
    if sum(len(one.content) for one in found.values()) > MAX_TOTAL_BYTES:
        raise _too_large(f"The files in the answer have more than {MAX_TOTAL_BYTES} bytes together.")
    return AnswerFiles(tuple(found.values()), refused)


def _named(text: str, calls: Sequence[ToolCall]) -> Iterator[tuple[str, str]]:
    for block in fenced_blocks(text):
        path = _path_of(block)
        if path is not None:
            yield path, block.text
    for call in calls:
        yield from files_written(call)


def _path_of(block: Block) -> str | None:
    """The path that a block is named by; None for one that is no file."""
    language = block.info.split(maxsplit=1)[0].partition(":")[0].lower().strip("{.}") if block.info else ""
    if language in _NO_FILES:
        return None
    path = path_behind_fence(block.info)
    if path is not None:
        return path
    path = path_in_line(block.before)
    if path is not None and language in _SHELLS and path.rpartition(".")[2].lower() not in _SCRIPTS:
        return None  # what to do with the file, not the file
    return path


def _encoded(content: str) -> bytes | None:
    try:
        return content.encode("utf-8")
    except UnicodeEncodeError:
        return None


def _too_large(message: str) -> MetaQoreError:
    return MetaQoreError("answer_files_too_large", message, kind=ErrorKind.TOO_LARGE)
