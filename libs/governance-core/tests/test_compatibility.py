"""The check of the checks: every way in which a schema can break is caught, and growth is not."""

from copy import deepcopy
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from metaqore_governance_core.contracts.compatibility import breaking_changes


class Inner(BaseModel):
    code: str
    note: str | None = None


class Before(BaseModel):
    name: str
    count: int
    state: Literal["open", "done"]
    inner: Inner
    many: list[Inner]
    maybe: Inner | None
    either: str | int
    table: dict[str, int]
    anything: Any = None
    short: Annotated[str, Field(max_length=10, min_length=1)] = "x"
    ratio: Annotated[float, Field(ge=0, le=1)] = 0
    shape: Annotated[str, Field(pattern="^[a-z]+$")] = "x"


BEFORE = Before.model_json_schema()


def changed(path, value=None, *, at=BEFORE):
    """The schema with the keyword at `path` set, or removed where there is no value."""
    schema = deepcopy(at)
    place = schema
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return schema


def without_required(*names, of=BEFORE):
    return [name for name in of["required"] if name not in names]


REMOVED = changed(["required"], without_required("name"), at=changed(["properties", "name"]))
STATES = ["properties", "state", "enum"]
INNER = ["$defs", "Inner"]


@pytest.mark.parametrize(
    ("after", "complaint"),
    [
        pytest.param(REMOVED, "/name: the field is gone", id="a field removed"),
        pytest.param(changed(["properties", "short"]), "/short: the field is gone", id="an optional field removed"),
        pytest.param(
            changed(["properties", "name", "type"], "integer"),
            "/name: the type string became integer",
            id="another type",
        ),
        pytest.param(
            changed(["properties", "ratio", "type"], "integer"),
            "/ratio: the type number became integer",
            id="a narrower type",
        ),
        pytest.param(
            changed(["properties", "anything", "type"], "string"),
            "/anything: the type any became string",
            id="any narrowed",
        ),
        pytest.param(
            changed(["required"], [*BEFORE["required"], "short"]),
            "/short: the field became required",
            id="made required",
        ),
        pytest.param(
            changed(["required"], without_required("name")),
            "/name: the field is no longer always there",
            id="made optional",
        ),
        pytest.param(
            changed(["required"], [*BEFORE["required"], "new"], at=changed(["properties", "new"], {"type": "string"})),
            "/new: the field became required",
            id="a new field that is required",
        ),
        pytest.param(changed(STATES, ["open"]), "/state: the value 'done' is gone", id="a value removed"),
        pytest.param(
            changed(["properties", "name", "enum"], ["a"]),
            "/name: any value became one of a few",
            id="values enumerated",
        ),
        pytest.param(
            changed(["properties", "name", "const"], "a"), "/name: any value became one of a few", id="a value fixed"
        ),
        pytest.param(
            changed(["properties", "either"], {"type": "string"}),
            "/either: integer is no longer taken",
            id="a union narrowed",
        ),
        pytest.param(
            changed(["properties", "maybe"], {"$ref": "#/$defs/Inner"}),
            "/maybe: null is no longer taken",
            id="null refused",
        ),
        pytest.param(
            changed(["properties", "maybe", "anyOf"], [{"$ref": "#/$defs/Inner"}, {"type": "string"}]),
            "/maybe: null is no longer taken",
            id="an alternative exchanged",
        ),
        pytest.param(changed([*INNER, "properties", "note"]), "/inner/note: the field is gone", id="within an object"),
        pytest.param(changed([*INNER, "properties", "note"]), "/many/[]/note: the field is gone", id="within a list"),
        pytest.param(
            changed([*INNER, "properties", "note"]), "/maybe: Inner is no longer taken", id="within an alternative"
        ),
        pytest.param(
            changed(["properties", "many", "items"], {"type": "string"}),
            "/many/[]: the type object became string",
            id="items",
        ),
        pytest.param(
            changed(["properties", "table", "additionalProperties"], {"type": "string"}),
            "/table/{}: the type integer became string",
            id="values of a table",
        ),
        pytest.param(changed(["additionalProperties"], value=0), "/{}", id="unknown fields refused"),
        pytest.param(
            changed(["properties", "short", "maxLength"], 9), "/short: maxLength became tighter", id="shorter"
        ),
        pytest.param(changed(["properties", "short", "minLength"], 2), "/short: minLength became tighter", id="longer"),
        pytest.param(
            changed(["properties", "name", "minLength"], 1), "/name: minLength became tighter", id="a new bound"
        ),
        pytest.param(changed(["properties", "ratio", "maximum"], 0.5), "/ratio: maximum became tighter", id="smaller"),
        pytest.param(
            changed(["properties", "shape", "pattern"], "^a$"), "/shape: pattern changed", id="another pattern"
        ),
        pytest.param(changed(["properties", "name", "format"], "uuid"), "/name: format changed", id="a format"),
        pytest.param(
            changed(["properties", "many", "uniqueItems"], value=True), "uniqueItems changed", id="not understood"
        ),
    ],
)
def test_a_break_is_caught(after, complaint):
    assert any(complaint in found for found in breaking_changes(BEFORE, after)), breaking_changes(BEFORE, after)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(BEFORE, id="nothing"),
        pytest.param(changed(["properties", "new"], {"type": "string"}), id="a new optional field"),
        pytest.param(changed(STATES, ["claimed", "done", "open"]), id="a new value"),
        pytest.param(changed(["properties", "count", "type"], "number"), id="a wider type"),
        pytest.param(
            changed(["properties", "either", "anyOf"], [{"type": t} for t in ("null", "integer", "string")]),
            id="a wider union",
        ),
        pytest.param(
            changed(["properties", "name"], {"anyOf": [{"type": "string"}, {"type": "null"}]}),
            id="a type become a union",
        ),
        pytest.param(changed(["properties", "name", "description"], "words"), id="words"),
        pytest.param(changed(["properties", "short", "maxLength"], 11), id="a looser bound"),
        pytest.param(changed(["properties", "short", "minLength"]), id="a bound dropped"),
        pytest.param(changed(["properties", "shape", "pattern"]), id="a pattern dropped"),
        pytest.param(changed([*INNER, "properties", "more"], {"type": "string"}), id="a new optional field within"),
        pytest.param(
            changed(["properties", "either"], {"type": ["string", "integer"]}), id="the same union, spelled differently"
        ),
        pytest.param(
            changed(
                ["$defs", "Same"], BEFORE["$defs"]["Inner"], at=changed(["properties", "inner", "$ref"], "#/$defs/Same")
            ),
            id="the same part under another name",
        ),
    ],
)
def test_growth_is_no_break(after):
    assert breaking_changes(BEFORE, after) == []


class Tree(BaseModel):
    name: str
    branches: list["Tree"]


def test_a_schema_that_holds_itself_is_compared_once():
    before = Tree.model_json_schema()
    assert breaking_changes(before, before) == []
    after = deepcopy(before)
    del after["$defs"]["Tree"]["properties"]["name"]
    assert breaking_changes(before, after)
