"""Fenced code blocks in a model's text (CommonMark section 4.5), as models write them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from metaqore_governance_core.value_object import value_object

MAX_BLANK_LINES: Final = 2
"""Between a line that names a file and the file."""

_FENCE: Final = re.compile(r"([ \t]*)(`{3,}|~{3,})([^\r\n]*?)[ \t]*\r?")
_MARKDOWN: Final = frozenset({"markdown", "md", "mdx", "mdc", "rmd", "qmd"})


@value_object
class Block:
    """A block that is closed. `info` stands behind the opening fence, `before` is the line above it, if any."""

    info: str
    before: str
    text: str


def fenced_blocks(text: str) -> Iterator[Block]:
    """The blocks of `text`, in order. One that never ends is none: the answer was cut off in its midst.

    A block of Markdown may hold further ones, which real models write with fences of the same length.
    """
    lines = text.split("\n")
    before, blank = "", 0
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        opening = _opening(line)
        if opening is None:
            if line.strip():
                before, blank = line, 0
            else:
                blank += 1
            continue
        indent, fence, info = opening
        end = _end(lines, index, fence, nested=_is_markdown(info, before))
        if end is None:
            return
        body = [_without(one, indent) for one in lines[index:end]]
        yield Block(info, before if blank <= MAX_BLANK_LINES else "", "".join(f"{one}\n" for one in body))
        before, blank = "", 0
        index = end + 1


def _opening(line: str) -> tuple[str, str, str] | None:
    """Indentation, fence and info of a line that opens a block."""
    found = _FENCE.fullmatch(line)
    if found is None:
        return None
    indent, fence, info = found.groups()
    return None if fence[0] == "`" and "`" in info else (indent, fence, info.strip())


def _end(lines: list[str], start: int, fence: str, *, nested: bool) -> int | None:
    """The line that closes the block, None where there is none."""
    depth = 0
    for index in range(start, len(lines)):
        found = _opening(lines[index])
        if found is None or found[1][0] != fence[0] or len(found[1]) < len(fence):
            continue
        if not found[2]:
            if not depth:
                return index
            depth -= 1
        elif nested:
            depth += 1
    return None


def _is_markdown(info: str, before: str) -> bool:
    words = re.split(r"[\s:{,]", info.lower(), maxsplit=1)
    return words[0] in _MARKDOWN or any(
        text.rstrip("*`: \r").lower().endswith((".md", ".mdx")) for text in (info, before)
    )


def _without(line: str, indent: str) -> str:
    """A content line without as much indentation as its fence has."""
    kept = line.lstrip(" \t")
    removed = min(len(indent), len(line) - len(kept))
    return line[removed:]
