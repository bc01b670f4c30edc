"""A manifest's text as a document, bounded in size and depth before it is parsed: TOML and JSON."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.manifest import manifest_invalid

MAX_MANIFEST_BYTES: Final = 1 << 20
MAX_NESTING: Final = 64
_OF_A_TOML_TOKEN: Final = 3
"""The steps that it takes to parse one."""
_JSON_TOKENS_A_STEP: Final = 5

# A text without an end reaches as far as the parser reads before it refuses.
_TEXT: Final = re.compile(
    r'"""(?:\\.|[^\\"]|"(?!""))*+(?:"{3,5})?|\'\'\'.*?(?:\'{3,5}|\Z)'
    r"|\"(?:\\.|[^\"\\\n])*+\"?|'[^'\n]*+'?|\#[^\n]*+",
    re.DOTALL,
)
_OF_JSON: Final = re.compile(r'"(?:\\.|[^"\\])*+"?', re.DOTALL)
_NO_BRACKET: Final = re.compile(r"[^\[\]{}]+")
_KEY_END: Final = re.compile(r"[=,\n\[\]{}]")
_TOML_TOKEN: Final = re.compile(r"[=,\n.\[{]")
_DEPTH: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
_HALF_CHARACTER: Final = re.compile(r"\\u[dD][89a-fA-F]")


def toml_document(text: str, what: str) -> Mapping[str, Any]:
    """The tables of a TOML text. Raises `MetaQoreError` `manifest_invalid`."""
    check_size(text, what)
    bare = _TEXT.sub('"', text)
    lines = text.count("\n") - bare.count("\n")
    spend(_OF_A_TOML_TOKEN * (len(_TOML_TOKEN.findall(bare)) + lines + text.count("\\")) + text.count('"') // 3)
    _check_depth(bare, what)
    if max(one.count(".") for one in _KEY_END.split(bare)) > MAX_NESTING:
        raise manifest_invalid(what, f"a key of it has more than {MAX_NESTING} parts")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise manifest_invalid(what, _why(error)) from error


def json_document(text: str, what: str) -> Mapping[str, Any]:
    """The members of a JSON object. Raises `MetaQoreError` `manifest_invalid`."""
    check_size(text, what)
    bare = _OF_JSON.sub('"', text)
    spend(sum(map(bare.count, "[]{}:,")) // _JSON_TOKENS_A_STEP)
    _check_depth(bare, what)
    try:
        document = json.loads(text)
        if _HALF_CHARACTER.search(text) is not None:
            json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise manifest_invalid(what, "it spells half of a Unicode character") from error
    except (ValueError, RecursionError) as error:
        raise manifest_invalid(what, _why(error)) from error
    if not isinstance(document, dict):
        raise manifest_invalid(what, "it is no object")
    return document


def check_size(text: str, what: str) -> None:
    """Refuse what is too long to be read. Raises `MetaQoreError` `manifest_invalid`."""
    if len(text) > MAX_MANIFEST_BYTES:
        raise manifest_invalid(what, f"it has more than {MAX_MANIFEST_BYTES} bytes")
    spend(len(text) // 100)


def _check_depth(bare: str, what: str) -> None:
    brackets = _NO_BRACKET.sub("", bare)
    if max(accumulate(map(_DEPTH.__getitem__, brackets)), default=0) > MAX_NESTING:
        raise manifest_invalid(what, f"it is nested more than {MAX_NESTING} deep")


def _why(error: Exception) -> str:
    return str(error).rstrip(".")[:200] if isinstance(error, ValueError) else "it is nested too deep"
