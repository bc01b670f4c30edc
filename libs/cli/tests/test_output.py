"""What a person sees keeps whole what they copy, and shows text as text."""

import json
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from importlib.metadata import version
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from rich.console import Console

from metaqore.gateway.v1 import gateway_pb2
from metaqore_cli import output
from metaqore_governance_core.errors import ErrorKind, MetaQoreError
from unwritable import run_into

TASK = "01a1fea3-d5e4-7a67-bc75-86b831984abc"


@pytest.fixture
def narrow(monkeypatch):
    for name in ("screen", "notes"):
        monkeypatch.setattr(output, name, Console(width=40, stderr=name == "notes"))


@pytest.mark.usefixtures("narrow")
def test_the_id_in_the_first_column_is_never_cut(capsys):
    output.print_table(("task", "model"), [(TASK, "a-model-with-a-long-name")])
    assert TASK in capsys.readouterr().out


def test_what_no_terminal_shows_is_wide_enough_for_two_ids(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)

    class Pipe:
        def isatty(self):
            return False

    assert output._width(Pipe()) == output.PIPED_COLUMNS
    monkeypatch.setenv("COLUMNS", "60")
    assert output._width(Pipe()) is None


def _refused(error):
    def command():
        raise error

    with pytest.raises(SystemExit) as left:
        output.guarded(command)
    return left.value.code


def test_an_error_shows_brackets_as_they_are(capsys):
    assert _refused(MetaQoreError("odd", "Send [/this] or ['that'].", kind=ErrorKind.INVALID)) == 1
    assert "[/this] or ['that']" in capsys.readouterr().err


def test_a_denial_names_its_code_once_and_its_other_reasons(capsys):
    error = MetaQoreError("denied", "No.", kind=ErrorKind.FORBIDDEN, reasons=("denied", "allowpath_missing"))
    assert _refused(error) == 3
    told = capsys.readouterr().err
    assert told.count("denied") == 1
    assert "allowpath_missing" in told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), "No space left on device."),
        (PermissionError(13, "Permission denied", "/proofs"), "Permission denied (/proofs)."),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"), "not UTF-8"),
    ],
)
def test_what_the_machine_refuses_is_a_sentence_too(capsys, error, told):
    assert _refused(error) == 1
    assert told in capsys.readouterr().err


def test_json_is_json_where_the_terminal_speaks_another_encoding(monkeypatch):
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(BytesIO(), encoding="latin-1"))
    output.print_json({"answer": "Größe 😀"})
    sys.stdout.flush()
    assert json.loads(sys.stdout.buffer.getvalue()) == {"answer": "Größe 😀"}


def test_json_is_told_where_it_is_gathered_in_memory():
    gathered = StringIO()
    with redirect_stdout(gathered):
        output.print_json({"answer": "Größe"})
    assert gathered.getvalue() == '{"answer": "Größe"}\n'


def test_a_sign_that_the_terminal_lacks_ends_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(BytesIO(), encoding="ascii"))
    output.guarded(lambda: print("ö", flush=True))
    assert sys.stdout.buffer.getvalue() == b"\\xf6\n"


def test_the_version_is_that_of_the_package(metaqore):
    assert metaqore("--version").out.strip() == version("metaqore-cli")


def test_a_table_that_is_too_wide_for_whole_words_is_told_in_lines(monkeypatch, capsys):
    columns, rows = ("part", "state", "health"), [("compliance-auditor", "ready", "[green]ok[/]"), ("broker", "", "ok")]
    for width, begins in (
        (40, "┏"),
        (36, "part "),
        (30, "compliance-auditor\n  state   ready\n  health  ok\nbroker\n"),
    ):
        monkeypatch.setattr(output, "screen", Console(width=width))
        output.print_table(columns, rows)
        told = capsys.readouterr().out
        assert told.startswith(begins)
        assert max(map(len, told.splitlines())) <= width


@pytest.mark.parametrize(
    ("words", "closed", "told"),
    [
        pytest.param(["task", "submit", "--file", "-"], "<&-", "Name a file.", id="a prompt"),
        pytest.param(["artifact", "propose", "-", "--name", "a"], "<&-", "Name a file.", id="a body"),
        pytest.param(["artifact", "content", "a"], ">&-", "Give --out FILE.", id="what is shown"),
    ],
)
@pytest.mark.usefixtures("mesh")
def test_a_stream_that_was_closed_beforehand_is_told(words, closed, told):
    line = f"exec {shlex.join([sys.executable, '-m', 'metaqore_cli', *words])} {closed}"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(("into", "code", "told"), [("/dev/full", 1, "No space left on device"), ("pipe", None, "")])
def test_what_cannot_be_written_is_told_without_a_trace(mesh, monkeypatch, unbuffered, into, code, told):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    mesh.answers["ListKeys"] = gateway_pb2.ListKeysResponse()
    ended, said = run_into(into, "key", "list", "--json")
    assert ended in ({0, 1} if code is None else {code})
    assert told in said
    assert "Exception ignored" not in said
    assert "Traceback" not in said


def test_an_error_is_not_lost_where_its_json_cannot_be_written(mesh):
    mesh.answers["ListKeys"] = MetaQoreError("missing_scope", "Ask for keys:admin.", kind=ErrorKind.FORBIDDEN)
    ended, said = run_into("/dev/full", "key", "list", "--json")
    assert ended == 3
    assert "missing_scope: Ask for keys:admin." in said
