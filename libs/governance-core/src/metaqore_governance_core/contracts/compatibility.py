"""Whether a JSON Schema only grew: what old writers send and old readers expect must still hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]

_NOTES: Final = frozenset(
    {"title", "description", "default", "examples", "deprecated", "$schema", "$id", "$comment", "$defs"}
)
_LOWER_BOUNDS: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER_BOUNDS: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_STRUCTURE: Final = frozenset(
    {"type", "enum", "const", "anyOf", "oneOf", "properties", "required", "items", "additionalProperties"}
)


def breaking_changes(old: Schema, new: Schema) -> list[str]:
    """What `new` takes away from `old`, each with its place as a JSON pointer; empty where it only adds.

    Adding an optional field, a value to an enumeration, or an alternative to a union is no break. Anything that this
    does not understand and that changed is one.
    """
    return list(_compare(_Side(old, old), _Side(new, new), "", frozenset()))


class _Side:
    """A schema and the document that its references are looked up in."""

    def __init__(self, schema: Any, document: Schema) -> None:
        self.document = document
        self.name = ""
        while isinstance(schema, Mapping) and "$ref" in schema:
            self.name = schema["$ref"]
            schema = document["$defs"][self.name.rpartition("/")[2]]
        self.schema: Schema = schema if isinstance(schema, Mapping) else {} if schema else {"enum": []}

    def at(self, schema: Any) -> _Side:
        return _Side(schema, self.document)

    def alternatives(self) -> list[_Side]:
        """The members of a union; a schema that is none is its own only member."""
        members = self.schema.get("anyOf", self.schema.get("oneOf"))
        if members is not None:
            return [one for member in members for one in self.at(member).alternatives()]
        types = self.schema.get("type")
        if isinstance(types, list):
            return [self.at({**self.schema, "type": one}) for one in types]
        return [self]


def _compare(old: _Side, new: _Side, where: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    names = (old.name, new.name)
    if all(names):
        if names in seen:
            return
        seen |= {names}
    befores, afters = old.alternatives(), new.alternatives()
    if len(befores) == len(afters) == 1:
        yield from _compare_one(befores[0], afters[0], where, seen)
        return
    for before in befores:
        if all(any(_compare_one(before, after, where, seen)) for after in afters):
            yield f"{where or '/'}: {_sort(before)} is no longer taken"


def _sort(side: _Side) -> str:
    return side.name.rpartition("/")[2] or str(side.schema.get("type", "an alternative"))


def _compare_one(old: _Side, new: _Side, where: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    yield from _types(old.schema, new.schema, where)
    yield from _values(old.schema, new.schema, where)
    yield from _bounds(old.schema, new.schema, where)
    yield from _properties(old, new, where, seen)
    yield from _contained(old, new, where, seen)
    known = _NOTES | _STRUCTURE | {*_LOWER_BOUNDS, *_UPPER_BOUNDS}
    for keyword in sorted((set(old.schema) | set(new.schema)) - known):
        if keyword in new.schema and old.schema.get(keyword) != new.schema[keyword]:
            yield f"{where or '/'}: {keyword} changed"


def _types(old: Schema, new: Schema, where: str) -> Iterator[str]:
    before, after = old.get("type"), new.get("type")
    if after is not None and before != after and (before, after) != ("integer", "number"):
        yield f"{where or '/'}: the type {before or 'any'} became {after}"


def _values(old: Schema, new: Schema, where: str) -> Iterator[str]:
    before, after = _enumerated(old), _enumerated(new)
    if after is None:
        return
    if before is None:
        yield f"{where or '/'}: any value became one of a few"
        return
    for value in before:
        if value not in after:
            yield f"{where or '/'}: the value {value!r} is gone"


def _enumerated(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def _bounds(old: Schema, new: Schema, where: str) -> Iterator[str]:
    tighter: tuple[tuple[tuple[str, ...], Callable[[Any, Any], bool]], ...] = (
        (_LOWER_BOUNDS, lambda before, after: after > before),
        (_UPPER_BOUNDS, lambda before, after: after < before),
    )
    for keywords, is_tighter in tighter:
        for keyword in keywords:
            after = new.get(keyword)
            if after is not None and (old.get(keyword) is None or is_tighter(old[keyword], after)):
                yield f"{where or '/'}: {keyword} became tighter"


def _properties(old: _Side, new: _Side, where: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    befores, afters = old.schema.get("properties", {}), new.schema.get("properties", {})
    required_before, required_after = set(old.schema.get("required", ())), set(new.schema.get("required", ()))
    for name, before in befores.items():
        if name not in afters:
            yield f"{where}/{name}: the field is gone"
        else:
            yield from _compare(old.at(before), new.at(afters[name]), f"{where}/{name}", seen)
    for name in sorted(required_after - required_before):
        yield f"{where}/{name}: the field became required"
    for name in sorted((required_before - required_after) & set(afters)):
        yield f"{where}/{name}: the field is no longer always there"


def _contained(old: _Side, new: _Side, where: str, seen: frozenset[tuple[str, str]]) -> Iterator[str]:
    for keyword, place in (("items", "[]"), ("additionalProperties", "{}")):
        if keyword in new.schema:
            before = old.at(old.schema.get(keyword, True))
            yield from _compare(before, new.at(new.schema[keyword]), f"{where}/{place}", seen)
