"""The allowpath matrix: which caller of which organization may use which tool, and how."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Final

from metaqore_governance_core.errors import MetaQoreError

ANY: Final = "*"


class Effect(StrEnum):
    """What a rule does to what it matches."""

    ALLOW = "allow"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """Each field is a literal or `*`; a tool may also be a family, as `model.*` for all that begins with `model.`.

    `caller` is the name that the key's administrator gave it, so that a rule outlives a key.
    """

    effect: Effect
    caller: str
    tool: str
    verb: str
    organization: str = ANY


class Passage(StrEnum):
    """What the matrix says; its values are reason codes."""

    ALLOWED = "allowpath_allowed"
    FORBIDDEN = "allowpath_forbidden"
    MISSING = "allowpath_missing"


_Path = tuple[str, str, str, str]


def tool_family(tool: str) -> str:
    """`model.*` of `model.smollm2-135m`: everything up to its first dot. Its own name where it has no dot."""
    head, dot, _ = tool.partition(".")
    return f"{head}.{ANY}" if dot else tool


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which fields a group of rules leaves open, and the paths that those rules name."""

    organization: bool
    caller: bool
    tool: str
    verb: bool
    paths: frozenset[_Path]

    def matches(self, organization: str, caller: str, tool: str, family: str, verb: str) -> bool:
        return (
            ANY if self.organization else organization,
            ANY if self.caller else caller,
            ANY if self.tool == ANY else family if self.tool else tool,
            ANY if self.verb else verb,
        ) in self.paths


def _check(rule: Rule) -> None:
    for name, pattern in (("organization", rule.organization), ("caller", rule.caller), ("verb", rule.verb)):
        if not pattern or (ANY in pattern and pattern != ANY):
            raise MetaQoreError("allowpath_invalid", f"An allowpath's {name} is a name or *, not {pattern!r}.")
    head = rule.tool.removesuffix(f".{ANY}")
    if not head or (rule.tool != ANY and (ANY in head or ("." in head and head != rule.tool))):
        raise MetaQoreError(
            "allowpath_invalid", f"An allowpath's tool is a name, a family such as model.*, or *, not {rule.tool!r}."
        )


def _shapes(rules: Iterable[Rule]) -> tuple[_Shape, ...]:
    paths: dict[tuple[bool, bool, str, bool], set[_Path]] = {}
    for rule in rules:
        tool = ANY if rule.tool == ANY else "family" if rule.tool.endswith(f".{ANY}") else ""
        shape = (rule.organization == ANY, rule.caller == ANY, tool, rule.verb == ANY)
        paths.setdefault(shape, set()).add((rule.organization, rule.caller, rule.tool, rule.verb))
    return tuple(_Shape(*shape, frozenset(found)) for shape, found in sorted(paths.items()))


@dataclass(frozen=True, slots=True)
class AllowpathMatrix:
    """Rules compiled to set lookups: at most 24 for each effect, however many rules there are."""

    rules: tuple[Rule, ...]
    _allowed: tuple[_Shape, ...]
    _forbidden: tuple[_Shape, ...]

    @classmethod
    def compile(cls, rules: Iterable[Rule]) -> AllowpathMatrix:
        """The matrix of `rules`; their order means nothing. Raises `MetaQoreError` `allowpath_invalid`."""
        unique = tuple(sorted(set(rules), key=astuple))
        for rule in unique:
            _check(rule)
        return cls(
            unique,
            _shapes(rule for rule in unique if rule.effect is Effect.ALLOW),
            _shapes(rule for rule in unique if rule.effect is Effect.FORBID),
        )

    def permits(self, organization: str, caller: str, tool: str, verb: str) -> Passage:
        """Whether the path is open. Forbid wins, and what no rule allows is missing."""
        family = tool_family(tool)
        for shape in self._forbidden:
            if shape.matches(organization, caller, tool, family, verb):
                return Passage.FORBIDDEN
        for shape in self._allowed:
            if shape.matches(organization, caller, tool, family, verb):
                return Passage.ALLOWED
        return Passage.MISSING


def model_tool(model: str) -> str:
    """The tool that a chat with `model` uses; its verb is `generate`."""
    return f"model.{model}"
