"""Files in the tool calls of an answer: a call that writes a file names its path and brings its content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from metaqore_ai_gateway.domain.chat import SEPARATOR
from metaqore_ai_gateway.domain.strict_json import InvalidJsonError, parse_object, text_of
from metaqore_governance_core.value_object import value_object


@value_object
class ToolCall:
    """A function that a model calls, with its arguments as JSON."""

    name: str
    arguments: str


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PATHS: Final = ("path", "file_path", "filepath", "filename", "file_name", "file", "target_file")
_CONTENTS: Final = ("content", "contents", "file_text", "file_content", "text", "code", "source")
_COMMANDS: Final = frozenset({"create", "write", "save"})
_WHOLE: Final = frozenset({"write", "create", "save", "put", "store", "overwrite", "new", "make"})
_PART: Final = _words(
    "append insert edit patch replace update prepend line lines range diff modify delete remove rename move read"
)
_PLACES: Final = _words(
    "line lines line_number start_line end_line insert_line offset position range old_str old_text old_string search "
    "append mode"
)
"""Arguments that say where in a file something goes: then it is not the whole file."""

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def files_written(call: ToolCall) -> Iterator[tuple[str, str]]:
    """Path and content of each file that the call writes as a whole; none of a call that does anything else."""
    try:
        given = parse_object(call.arguments.encode("utf-8"))
        text_of(given, SEPARATOR)
    except (InvalidJsonError, UnicodeEncodeError):
        return
    command = given.get("command")
    if isinstance(command, str):
        if command not in _COMMANDS:
            return
    elif not _writes(call.name):
        return
    files = given.get("files")
    for one in files if isinstance(files, list) else [given]:
        if isinstance(one, Mapping) and not _PLACES & one.keys():
            path, content = _text(one, _PATHS), _text(one, _CONTENTS)
            if path and content is not None:
                yield path, content


def _writes(name: str) -> bool:
    words = {word.lower() for word in _WORDS.findall(name)}
    return bool(words & _WHOLE) and not words & _PART


def _text(given: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The one of `names` that is given; None where none is, or several are."""
    found = [given[name] for name in names if name in given]
    return found[0] if len(found) == 1 and isinstance(found[0], str) else None
