"""Labels, as `name=value` on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from metaqore.psmp.v1 import common_pb2 as common

Label = Annotated[
    list[str] | None, typer.Option("--label", "-l", help="A label, as name=value. May be given more than once.")
]
NoLabels = Annotated[bool, typer.Option("--no-labels", help="Take all labels off.")]


def label_list(given: list[str] | None) -> list[common.Label]:
    """In the order of their names. Raises `typer.BadParameter`."""
    pairs = {}
    for one in given or []:
        name, equals, value = one.partition("=")
        if not (name and equals):
            raise typer.BadParameter(f"{one!r} is no label. Write name=value.")
        pairs[name] = value
    return [common.Label(name=name, value=value) for name, value in sorted(pairs.items())]


def labels_or_none(given: list[str] | None, *, none: bool) -> common.Labels | None:
    """The labels that replace those that are there; None leaves them."""
    if given and none:
        raise typer.BadParameter("Give labels or --no-labels, one of the two.")
    return common.Labels(labels=label_list(given)) if given or none else None


def labels_text(labels: Iterable[common.Label]) -> str:
    """`team=green, stage=beta`."""
    return ", ".join(f"{one.name}={one.value}" for one in labels)
