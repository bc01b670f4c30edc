"""`--help` teaches: each command, and each group of commands, shows how it is used."""

from __future__ import annotations

import click
import pytest
import typer

from metaqore_cli.main import app


def commands(command, name):
    yield name, command
    if isinstance(command, click.Group):
        for sub, below in command.commands.items():
            yield from commands(below, f"{name} {sub}")


@pytest.mark.parametrize(
    ("name", "command"),
    [pytest.param(name, command, id=name) for name, command in commands(typer.main.get_command(app), "metaqore")],
)
def test_help_shows_an_example(name, command):
    assert command.help
    assert name in (command.epilog or ""), "an example begins with the command's own name"
