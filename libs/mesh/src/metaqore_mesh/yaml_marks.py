"""YAML whose values know the line they stand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from metaqore_governance_core.errors import MetaQoreError

#: The way to a value: keys and list indexes, as pydantic gives it.
Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Marked:
    """A parsed file: its value, and the line (from 1) of every key and list item in it."""

    file: str
    value: Any
    lines: Mapping[Location, int]

    def line(self, location: Location) -> int:
        """The line of what stands at `location`, or of the nearest thing around it where nothing does."""
        while location and location not in self.lines:
            location = location[:-1]
        return self.lines.get(location, 1)

    def place(self, location: Location) -> str:
        """`file:line: key`, as editors and people read it: `metaqore.yaml:7: providers[0].kind`."""
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).removeprefix(".")
        return f"{self.file}:{self.line(location)}: {path}" if path else f"{self.file}:{self.line(location)}"


def parse(text: str, file: str) -> Marked:
    """Parse one YAML document. Raises `MetaQoreError` `config_invalid` for bad syntax, a repeated key or a cycle."""
    loader = yaml.SafeLoader(text)
    lines: dict[Location, int] = {}
    try:
        root = loader.get_single_node()
        return Marked(file, None if root is None else _Reader(loader, lines).value(root, ()), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise MetaQoreError("config_invalid", f"{file}:{line}: {error.problem or error}.") from error
    except yaml.YAMLError as error:
        raise MetaQoreError("config_invalid", f"{file}:1: {error}") from error
    finally:
        loader.dispose()


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, lines: dict[Location, int]) -> None:
        self._loader = loader
        self._lines = lines
        self._around: set[int] = set()

    def value(self, node: yaml.Node, location: Location) -> Any:
        if id(node) in self._around:
            raise yaml.MarkedYAMLError(problem="this alias holds itself", problem_mark=node.start_mark)
        self._around.add(id(node))
        self._lines.setdefault(location, node.start_mark.line + 1)
        try:
            match node:
                case yaml.MappingNode():
                    return self._mapping(node, location)
                case yaml.SequenceNode():
                    return [self.value(item, (*location, number)) for number, item in enumerate(node.value)]
                case _:
                    return self._loader.construct_object(node)
        finally:
            self._around.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                raise yaml.MarkedYAMLError(problem="a key must be a text", problem_mark=key_node.start_mark)
            if key in found:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} is repeated", problem_mark=key_node.start_mark)
            self._lines[(*location, key)] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, (*location, key))
        return found
