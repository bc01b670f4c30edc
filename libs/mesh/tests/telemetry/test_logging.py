"""A log line is JSON, says when, who and what, and holds no secret."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager
from datetime import datetime

import pytest
import structlog
from prometheus_client import REGISTRY

from metaqore_governance_core.errors import MetaQoreError
from metaqore_mesh.telemetry.log_output import LogOutput
from metaqore_mesh.telemetry.logging import configure_logging
from metaqore_mesh.telemetry.tracing import span

SECRET = "correct-horse-battery"


def test_a_line_says_when_who_and_what(lines):
    written = lines()
    structlog.get_logger().info("task.finished", state="done", tokens=3, reasons=("a", "b"))
    [line] = written()
    assert list(line) == ["time", "level", "service", "event", "state", "tokens", "reasons"]
    assert datetime.fromisoformat(line.pop("time")).utcoffset().total_seconds() == 0
    assert line == {
        "level": "info",
        "service": "test",
        "event": "task.finished",
        "state": "done",
        "tokens": 3,
        "reasons": ["a", "b"],
    }


def test_below_the_level_nothing_is_written(lines):
    written = lines(level="WARNING")
    structlog.get_logger().info("quiet.happened")
    logging.getLogger("library").info("quiet")
    structlog.get_logger().warning("loud.happened")
    logging.getLogger("library").warning("loud")
    assert [line["event"] for line in written()] == ["loud.happened", "loud"]


def test_the_standard_library_and_warnings_come_the_same_way(lines):
    written = lines()
    logging.getLogger("library").error("lost %s of %d", "one", 2)
    warnings.simplefilter("always")
    warnings.warn("old", UserWarning, stacklevel=1)
    error, warning = written()
    assert (error["level"], error["event"], error["logger"]) == ("error", "lost one of 2", "library")
    assert (warning["level"], warning["logger"]) == ("warning", "py.warnings")


def test_a_broken_format_string_of_a_library_is_no_error_of_ours(lines):
    written = lines()
    logging.getLogger("library").error("%d", "x")
    assert written() == []


@pytest.mark.usefixtures("spans")
def test_a_line_inside_a_span_names_it(lines):
    written = lines()
    with span("work") as current:
        structlog.get_logger().info("inside.happened")
    structlog.get_logger().info("outside.happened")
    inside, outside = written()
    assert inside["trace_id"] == f"{current.get_span_context().trace_id:032x}"
    assert inside["span_id"] == f"{current.get_span_context().span_id:016x}"
    assert "trace_id" not in outside


@pytest.mark.parametrize(
    "fields",
    [
        {"authorization": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        {"api_key": SECRET},
        {"mesh_token": SECRET},
        {"x-api-key": SECRET},
        {"db_password": SECRET},
        {"client_secret": {"a": SECRET}},
        {"prompt": SECRET},
        {"messages": [{"content": SECRET}]},
        {"headers": {"cookie": SECRET, "deep": [{"private-key": SECRET}]}},
        {"url": f"postgresql://me:{SECRET}@host/db"},
        {"said": f"Authorization: Bearer {SECRET}"},
        {"said": f"the key mq_{SECRET} was refused"},
        {"deep": {"a": {"a": {"a": {"a": {"a": {"a": {"a": SECRET}}}}}}}},
    ],
    ids=str,
)
def test_secrets_are_redacted(fields, lines):
    written = lines()
    structlog.get_logger().info("secret.seen", **fields)
    [line] = written()
    assert SECRET not in str(line)
    assert "[redacted]" in str(line)


def test_counts_and_names_are_not_redacted(lines):
    written = lines()
    fields = {"prompt_tokens": 7, "key_id": "abc", "api_key_file": "/run/api-key", "token": 5, "caller": "anna"}
    structlog.get_logger().info("counted.happened", **fields)
    [line] = written()
    assert {name: line[name] for name in fields} == fields


def test_what_json_does_not_know_is_written_as_text(lines):
    written = lines()
    structlog.get_logger().info("odd.happened", path=os, data=b"\xff", keys={1: object})
    [line] = written()
    assert "module 'os'" in line["path"]


def fails(error):
    def outer():
        try:
            {}[SECRET]
        except KeyError as cause:
            raise error from cause

    return outer


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError(f"invalid literal: {SECRET}"), None),
        (RuntimeError(SECRET), None),
        (MetaQoreError("spool_full", "Wait a little."), "Wait a little."),
        (FileNotFoundError(2, "No such file", "x"), "[Errno 2] No such file: 'x'"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_exception_tells_where_it_came_from_but_not_what_it_quotes(error, message, lines):
    written = lines()
    try:
        fails(error)()
    except Exception:  # noqa: BLE001 - whatever it is, it is logged
        structlog.get_logger().exception("work.failed")
    [line] = written()
    assert SECRET not in str(line)
    raised, cause = line["exception"]
    assert raised["type"].endswith(type(error).__name__)
    assert raised.get("message") == message
    assert raised["frames"][-1].endswith("fails.<locals>.outer")
    assert cause["type"] == "KeyError"


def test_an_exception_group_tells_of_its_members(lines):
    written = lines()
    try:
        raise ExceptionGroup("several", [ValueError(SECRET), OSError("disk")])  # noqa: TRY301 - raised to be logged
    except ExceptionGroup as group:
        structlog.get_logger().error("work.failed", exc_info=group)
    [line] = written()
    assert SECRET not in str(line)
    assert [inner[0]["type"] for inner in line["exception"][0]["errors"]] == ["ValueError", "OSError"]


def test_a_future_that_nobody_awaited_is_told_without_its_message(lines):
    written = lines()

    async def forgotten():
        raise ValueError(SECRET)

    async def main():
        task = asyncio.ensure_future(forgotten())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task

    asyncio.run(main())
    [line] = written()
    assert line["event"] == "Task exception was never retrieved"
    assert SECRET not in str(line)


def test_a_full_disk_fails_nobody(lines):
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 - no file to Path
        lines()
        configure_logging("test", fd=full.fileno())
        before = REGISTRY.get_sample_value("metaqore_log_dropped_lines_total")
        structlog.get_logger().info("disk.full")
        assert REGISTRY.get_sample_value("metaqore_log_dropped_lines_total") == before + 1


def test_the_console_form_is_for_people(lines):
    written = lines(log_format="console")
    try:
        fails(OSError("disk"))()
    except OSError:
        structlog.get_logger().exception("work.failed", path="x")
    text = "\n".join(written())
    assert "work.failed" in text
    assert "path=x" in text
    assert "OSError: disk" in text


def test_what_nobody_catches_is_a_line_too():
    program = (
        f"from metaqore_mesh.telemetry.logging import configure_logging\nconfigure_logging('test')\nint('{SECRET}')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert '"event":"process.crashed"' in ended.stderr
    assert SECRET not in ended.stderr


@contextmanager
def collecting_after(allocations):
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(allocations)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def test_a_finalizer_that_logs_in_the_middle_of_a_line_stops_nothing():
    """As asyncio's do, of a task that failed unseen: whatever the log allocates may run them."""
    reading, writing = os.pipe()
    output = LogOutput(writing)

    class Unseen:
        def __init__(self):
            self.itself = self

        def __del__(self):
            output.msg(b"unseen\n")

    async def tell():
        for allocations in range(1, 51):
            with collecting_after(allocations):
                Unseen()
                output.info(b"told\n")
            output.flush()

    gc.freeze()  # what other tests left behind need not be looked at fifty times
    telling = threading.Thread(target=lambda: asyncio.run(tell()), daemon=True)
    telling.start()
    telling.join(120)  # where it stops, it stops for ever
    assert not telling.is_alive()
    gc.collect()
    gc.unfreeze()
    assert sorted(os.read(reading, 1 << 16).split()) == 50 * [b"told"] + 50 * [b"unseen"]
    os.close(reading)
    os.close(writing)


def test_a_line_after_one_that_was_cut_off_stands_alone():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.set_blocking(reading, False)
    output = LogOutput(writing)
    before = REGISTRY.get_sample_value("metaqore_log_dropped_lines_total")
    output.msg(b"a" * 1_000_000 + b"\n")
    output.msg(b"not taken\n")
    assert REGISTRY.get_sample_value("metaqore_log_dropped_lines_total") - before == 2
    while True:
        try:
            os.read(reading, 1 << 20)
        except BlockingIOError:
            break
    output.msg(b"whole\n")
    assert os.read(reading, 100) == b"\nwhole\n"
    os.close(reading)
    os.close(writing)
