"""The enums of the contract by the names people use."""

from __future__ import annotations

import typer

from metaqore.gateway.v1 import gateway_pb2 as gateway


def sensitivity_name(value: gateway.Sensitivity.ValueType) -> str:
    """PUBLIC, INTERNAL, SENSITIVE or CRITICAL."""
    return gateway.Sensitivity.Name(value).removeprefix("SENSITIVITY_")


def sensitivity_value(name: str | None) -> gateway.Sensitivity.ValueType:
    """The enum's value; None is unspecified. Raises `typer.BadParameter` for another name."""
    try:
        return gateway.Sensitivity.Value(f"SENSITIVITY_{(name or 'UNSPECIFIED').upper()}")
    except ValueError as error:
        raise typer.BadParameter(f"{name!r} is none of PUBLIC, INTERNAL, SENSITIVE, CRITICAL.") from error


def state_name(value: gateway.TaskState.ValueType) -> str:
    """running, done, denied, failed, interrupted or cancelled."""
    return gateway.TaskState.Name(value).removeprefix("TASK_STATE_").lower()
