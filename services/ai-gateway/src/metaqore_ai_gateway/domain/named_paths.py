"""Paths that a model names for a file that it writes: behind a fence, or as all that the line above it says."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from metaqore_ai_gateway.domain.file_names import KNOWN_NAMES, KNOWN_SUFFIXES, PRODUCTS
from metaqore_governance_core.errors import MetaQoreError
from metaqore_governance_core.psmp.conflicts.ownership import is_lease
from metaqore_governance_core.psmp.conflicts.paths import checked_path

MAX_PATH_CHARACTERS: Final = 1024
"""What an artifact's name may have."""

_MAX_LINE: Final = 1200
"""A longer line is prose."""

_ATTRIBUTE: Final = re.compile(
    r"(?:^|[\s{,;])(title|file[-_ ]?name|file[-_ ]?path|file|path)[=:] ?(?:\"([^\"]+)\"|'([^']+)'|([^\s,;{}\"'=]+))",
    re.IGNORECASE,
)
_EXCERPT: Final = re.compile(r"\d+(?:[:-]\d+)?:.*|.*:\d+(?:[:-]\d+)?")
"""`12:20:src/a.py` and `src/a.py:12-20` quote some lines of a file: they are not the file."""

_LANGUAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+#.-]*")
_TOKEN: Final = re.compile(r"[\w.@+\-\[\]()$~,/!%&\\]+")
_SUFFIX: Final = re.compile(r"[A-Za-z0-9_-]{1,16}")
_MARKS: Final = re.compile(r"#{1,6} +|[-*+•] +|\d{1,3}[.)] +|> ?|// ?|\*+|[^\w./@\[($~`\\]+")
_NOTE: Final = re.compile(r"\((?:new|new file|updated|full|complete|created?)\)$", re.IGNORECASE)
_LABEL: Final = re.compile(
    r"(?:(?:new|complete|full|create) )?(?:file ?name|file ?path|file|path|create|save (?:this )?(?:as|to))"
    r"(?: \d{1,3})?(?: ?[:=\u2013\u2014-] ?| )",
    re.IGNORECASE,
)
_LINK: Final = re.compile(r"\[([^\[\]]+)\]\([^()\s]*\)")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_PRIVATE: Final = frozenset({".git", "git~1"})
"""Git runs what lies there."""


def path_behind_fence(info: str) -> str | None:
    """The path in the text behind a fence, such as `python src/a.py`, `ts title="src/a.ts"`, `src/a.py`."""
    if not info or len(info) > _MAX_LINE:
        return None
    named = _ATTRIBUTE.search(info)
    if named is not None:
        path = named[2] or named[3] or named[4]
        sentence = " " in path and named[1].lower() == "title"
        return path if _may_be_file(path) and not sentence else None
    first, *others = info.split()
    language, colon, rest = first.partition(":")
    if colon:
        quotes = _EXCERPT.fullmatch(first) is not None or _LANGUAGE.fullmatch(language) is None
        return rest if not quotes and _is_written(rest) else None
    found = next((path for path in map(_bare, others) if _is_written(path)), None)
    return found or (first if "." in first and _is_path(first) else None)


def path_in_line(line: str) -> str | None:
    """The path that is all that a line says, but for marks and labels: `**src/a.py**`, `### File: src/a.py`."""
    if not line or len(line) > _MAX_LINE:
        return None
    rest = _unmarked(" ".join(line.split()))
    labelled = _LABEL.match(rest)
    if labelled is not None:
        rest = _unmarked(rest[labelled.end() :])
    link = _LINK.fullmatch(rest)
    if link is not None:
        rest = link[1]
    path = rest.strip("`")
    if labelled is not None or path != rest:
        return path if _is_written(path) else None
    return path if _is_path(path) and path.lower() not in PRODUCTS else None


def inside(path: str) -> str | None:
    """`path` as it stands in a project; None where it leads out of it, or where it is not what a person sees."""
    path = path.removeprefix("./")
    if len(path) > MAX_PATH_CHARACTERS or path.startswith("~") or path[1:2] == ":" or path != path.strip():
        return None
    if is_lease(path):
        return None
    if any(unicodedata.category(character) in _UNSEEN for character in path):
        return None
    try:
        checked_path(path)
    except MetaQoreError:
        return None
    return None if any(part.casefold() in _PRIVATE for part in path.split("/")) else path


def _unmarked(text: str) -> str:
    """`text` without marks and notes around it."""
    while True:
        before = text
        text = text.strip().removesuffix(":").rstrip("* ")
        marks = _MARKS.match(text)
        if marks is not None:
            text = text[marks.end() :]
        text = _NOTE.sub("", text)
        if text == before:
            return text


def _bare(token: str) -> str:
    """A token without quotes, or parentheses around the whole of it."""
    token = token.strip("`\"'")
    return token[1:-1] if token.startswith("(") and token.endswith(")") else token


def _may_be_file(path: str) -> bool:
    """Whether what is said to be a file may be one."""
    return not path.endswith("/") and ("/" in path or _name(path) in KNOWN_NAMES or bool(_suffix(path)))


def _is_written(path: str) -> bool:
    """Whether what stands where a path may stand is one."""
    if _TOKEN.fullmatch(path) is None or path.endswith("/"):
        return False
    return "/" in path or _name(path) in KNOWN_NAMES or _suffix(path) in KNOWN_SUFFIXES


def _is_path(path: str) -> bool:
    """Whether a text can hardly be anything but a path."""
    if _TOKEN.fullmatch(path) is None or path.endswith("/"):
        return False
    if _suffix(path):
        return "/" in path or _suffix(path) in KNOWN_SUFFIXES
    return _name(path) in KNOWN_NAMES - {"license", "notice"} and ("/" in path or path[0].isupper())


def _name(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].lower()


def _suffix(path: str) -> str:
    """What stands behind the last dot of the name, in lower case; empty where that is no suffix, as in `1.2`."""
    suffix = _name(path).rpartition(".")[2] if "." in _name(path) else ""
    return suffix if _SUFFIX.fullmatch(suffix) and not suffix.isdecimal() else ""
