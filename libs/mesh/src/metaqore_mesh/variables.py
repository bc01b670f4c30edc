"""What is wrong with METAQORE_* variables, told by their names and never by their values: those may be secrets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from metaqore_governance_core.errors import MetaQoreError

PREFIX: Final = "METAQORE_"
_DEEPER: Final = "__"
_ALIKE: Final = 0.85
"""How alike two names are (1 is the same) that one is taken for a slip of the other."""


def variable(*path: str | int) -> str:
    """The variable of a field: METAQORE_GATEWAY__REST_PORT of `gateway`, `rest_port`."""
    return PREFIX + _DEEPER.join(step for step in path if isinstance(step, str)).upper()


def settings_invalid(error: ValidationError | SettingsError, settings: type[BaseModel]) -> MetaQoreError:
    """`settings_invalid`, with a line for each variable: its name, and what to do."""
    if isinstance(error, SettingsError):  # which names the group alone
        named = next((name for name in settings.model_fields if f'"{name}"' in str(error)), "")
        message = f"{variable(named, '*')}: what is a list is written in JSON, as in '[\"127.0.0.1:9000\"]'."
        return MetaQoreError("settings_invalid", message)
    lines = (
        f"{variable(*one['loc'])}: {_sentence(one['type'], one['loc'], one['msg'], settings)}"
        for one in error.errors(include_input=False)
    )
    return MetaQoreError("settings_invalid", "\n".join(lines))


def misspelt(environ: Iterable[str], settings: type[BaseModel], others: Iterable[str] = ()) -> dict[str, str]:
    """Variables that no setting has, each with the one that is probably meant. `others` are read by something else."""
    names = {*_names(settings), *others}
    heads = {name.partition(_DEEPER)[0] for name in names}
    found: dict[str, str] = {}
    for name in sorted(one.upper() for one in environ if one.upper().startswith(PREFIX)):
        if name.partition(_DEEPER)[0] not in heads and (alike := get_close_matches(name, sorted(names), 1, _ALIKE)):
            found[name] = alike[0]
    return found


def _sentence(kind: str, location: tuple[str | int, ...], message: str, settings: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        around = [step for step in location[:-1] if isinstance(step, str)]
        fields = _fields(settings)
        for step in around:
            fields = _fields(fields[step])
        return f"there is no such variable; use one of: {', '.join(variable(*around, name) for name in fields)}."
    return f"{message[:1].lower()}{message[1:]}."


def _names(settings: type[BaseModel], *around: str) -> Iterator[str]:
    for name, group in _fields(settings).items():
        if group is None:
            yield variable(*around, name)
        else:
            yield from _names(group, *around, name)


def _fields(settings: type[BaseModel] | None) -> Mapping[str, type[BaseModel] | None]:
    """Each field, and the group that it is; None where it is a value."""
    fields = {} if settings is None else settings.model_fields
    kinds = ((name, field.annotation) for name, field in fields.items())
    return {name: kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None for name, kind in kinds}
