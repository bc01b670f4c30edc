"""The rules stand on the language and four libraries: no file, socket, clock, randomness or event loop."""

import ast
import sys
from pathlib import Path

import pytest

import metaqore_governance_core

SOURCES = sorted(Path(metaqore_governance_core.__file__).parent.rglob("*.py"))
LIBRARIES = {"cryptography", "metaqore_governance_core", "packaging", "pydantic", "rfc8785"}
IMPURE = {
    "asyncio",
    "http",
    "io",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "subprocess",
    "threading",
    "time",
    "urllib",
}


def imported(source):
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_only_pure_modules_are_imported(source):
    names = set(imported(source))
    assert names <= (sys.stdlib_module_names - IMPURE) | LIBRARIES


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_nothing_waits_or_opens(source):
    tree = ast.parse(source.read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await)]
    calls = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert not calls & {"open", "print", "input", "exec", "eval"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_no_marker_is_evaluated_where_it_happens_to_run(source):
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not names & {"evaluate", "default_environment"}
