"""The enums of the contract by the names people use."""

from __future__ import annotations

from typing import Final

import typer
from google.protobuf.descriptor import EnumDescriptor

from metaqore.gateway.v1 import gateway_pb2 as gateway

SENSITIVITIES: Final = ("PUBLIC", "INTERNAL", "SENSITIVE", "CRITICAL")
"""From the least on."""


def sensitivity_name(value: gateway.Sensitivity.ValueType) -> str:
    """PUBLIC, INTERNAL, SENSITIVE or CRITICAL."""
    return gateway.Sensitivity.Name(value).removeprefix("SENSITIVITY_")


def sensitivity_value(name: str | None) -> gateway.Sensitivity.ValueType:
    """The enum's value; None is unspecified. Raises `typer.BadParameter` for another name."""
    try:
        return gateway.Sensitivity.Value(f"SENSITIVITY_{(name or 'UNSPECIFIED').upper()}")
    except ValueError as error:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(SENSITIVITIES)}.") from error


def state_name(value: gateway.TaskState.ValueType) -> str:
    """running, done, denied, failed, interrupted or cancelled."""
    return gateway.TaskState.Name(value).removeprefix("TASK_STATE_").lower()


def enum_name(enum: EnumDescriptor, number: int) -> str:
    """`blocked` of PHASE_BLOCKED; empty for the unspecified one, and the number for one that is newer than this."""
    value = enum.values_by_number.get(number)
    return str(number) if value is None else "" if number == 0 else _short(value.name, enum)


def enum_names(enum: EnumDescriptor) -> list[str]:
    """The short names of all its values but the unspecified one."""
    return [_short(value.name, enum) for value in enum.values if value.number]


def enum_value(enum: EnumDescriptor, name: str | None) -> int:
    """The value of a short name; None is unspecified. Raises `typer.BadParameter` for another name."""
    found = [value.number for value in enum.values if _short(value.name, enum) == (name or "unspecified").lower()]
    if not found:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(enum_names(enum))}.")
    return found[0]


def _short(name: str, enum: EnumDescriptor) -> str:
    """`keep_existing` of CHOICE_KEEP_EXISTING."""
    return name.removeprefix(enum.values_by_number[0].name.removesuffix("UNSPECIFIED")).lower()
