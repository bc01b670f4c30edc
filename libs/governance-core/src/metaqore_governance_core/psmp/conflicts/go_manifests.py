"""`go.mod` and `go.work` as requirements: what they require, exclude and replace, and which Go they need."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from metaqore_governance_core.psmp.conflicts.documents import check_size
from metaqore_governance_core.psmp.conflicts.effort import spend
from metaqore_governance_core.psmp.conflicts.go_requirements import GO, GoKind, GoRequirement
from metaqore_governance_core.psmp.conflicts.go_versions import check_major, go_version, module_version
from metaqore_governance_core.psmp.conflicts.manifest import Manifest, manifest_invalid
from metaqore_governance_core.psmp.conflicts.model import Party

_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<comment>//.*)|"(?P<quoted>[^"]*)"|`(?P<raw>[^`]*)`|(?P<bare>=>|[()]|(?:(?!//)[^\s"`()])+))"""
)
_ENVIRONMENT: Final = re.compile(r"//\s*metaqore:\s*environment\s*=\s*(\S+)")
_READ: Final = frozenset({"require", "exclude", "replace", "go"})
_KNOWN: Final = frozenset({"module", "toolchain", "retract", "godebug", "tool", "ignore", "use"})
_RELATIVE: Final = ("./", "../", "/")


def go_mod(party: Party, text: str, path: str = "go.mod") -> Manifest:
    """What a `go.mod` at `path` says. Folders that take the place of modules are told from the project's root.

    A comment `// metaqore: environment = name` gives it an environment of its own. Raises `MetaQoreError`
    `manifest_invalid` or `requirement_invalid`.
    """
    return _manifest(party, text, path, in_work=False)


def go_work(party: Party, text: str, path: str = "go.work") -> Manifest:
    """What a `go.work` at `path` says of all modules of its workspace. As `go_mod` otherwise."""
    return _manifest(party, text, path, in_work=True)


def _manifest(party: Party, text: str, path: str, *, in_work: bool) -> Manifest:
    check_size(text, path)
    entries: list[GoRequirement] = []
    unread: list[str] = []
    for verb, words in _directives(text, path):
        if verb in _READ:
            entry = _entry(verb, words, path, in_work=in_work)
            if entry is None:
                raise manifest_invalid(path, f"cannot read {' '.join([verb, *words])!r}")
            declares = " ".join([verb, *words])
            entries.append(replace(entry, party=replace(party, declares=declares)))
        elif verb not in _KNOWN:
            unread.append(" ".join([verb, *words]))
    named = _ENVIRONMENT.search(text)
    return Manifest(tuple(dict.fromkeys(entries)), named[1] if named else "", tuple(unread))


def _directives(text: str, path: str) -> Iterator[tuple[str, list[str]]]:
    block = ""
    for line in text.splitlines():
        words = _words(line, path)
        if not words:
            continue
        if block:
            if words == [")"]:
                block = ""
            else:
                yield block, words
        elif words[1:] == ["("]:
            block = words[0]
        elif words[1:] != ["(", ")"]:
            yield words[0], words[1:]
    if block:
        raise manifest_invalid(path, f"the block of {block} has no end")


def _words(line: str, path: str) -> list[str]:
    spend(4 + len(line) // 3)
    words: list[str] = []
    at, end = 0, len(line.rstrip())
    while at < end:
        match = _TOKEN.match(line, at)
        if match is None:
            raise manifest_invalid(path, f"a quote has no end in {line.strip()!r}")
        if match["comment"] is not None:
            break
        words.append(next(one for one in match.group("quoted", "raw", "bare") if one is not None))
        at = match.end()
    return words


def _entry(verb: str, words: list[str], path: str, *, in_work: bool) -> GoRequirement | None:
    nobody = Party("", 0, "", "")
    match verb, words:
        case "go", [version]:
            go_version(version)
            return GoRequirement(nobody, GO, version, GoKind.WORK_GO if in_work else GoKind.GO)
        case "require" | "exclude", [module, version] if not in_work:
            check_major(module, version)
            return GoRequirement(nobody, module, version, GoKind(verb))
        case "replace", _ if "=>" in words:
            at = words.index("=>")
            return _replacement(words[:at], words[at + 1 :], path, in_work=in_work)
        case _:
            return None


def _replacement(replaced: list[str], by: list[str], path: str, *, in_work: bool) -> GoRequirement | None:
    if len(replaced) not in {1, 2} or len(by) not in {1, 2}:
        return None
    version = replaced[1] if len(replaced) > 1 else ""
    if version:
        check_major(replaced[0], version)
    is_folder = by[0].startswith(_RELATIVE) or by[0] in {".", ".."}
    if is_folder is (len(by) > 1):
        return None
    if is_folder:
        target = by[0] if by[0].startswith("/") else posixpath.normpath(posixpath.join(posixpath.dirname(path), by[0]))
        target = f"folder {target}"
    else:
        module_version(by[1])
        target = " ".join(by)
    kind = GoKind.WORK_REPLACE if in_work else GoKind.REPLACE
    return GoRequirement(Party("", 0, "", ""), replaced[0], version, kind, target)
