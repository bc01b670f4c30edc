"""Logs: one JSON object a line on standard error, ours and every library's, without secrets.

    configure_logging("ai-gateway", level="INFO")       # once, in __main__
    log = structlog.get_logger()                        # anywhere, also at module level
    log.info("decision.denied", organization=..., reasons=[...])

An event is a dotted name in the past tense, with fields; never a sentence with values in it. A line holds `time` (ISO
8601, UTC), `level`, `service`, `event`, and `trace_id` and `span_id` inside a span. Logging never raises: what cannot
be written is counted and gone.

Where one line is written for each request, `tell` writes one of fixed fields at a tenth of a bound logger's cost.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import TracebackType
from typing import Any, Literal

import msgspec
import structlog
from structlog.dev import ConsoleRenderer

from metaqore_mesh.telemetry.faults import described
from metaqore_mesh.telemetry.log_output import DROPPED, LogOutput
from metaqore_mesh.telemetry.redaction import redacted
from metaqore_mesh.telemetry.tracing import trace_ids

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
Format = Literal["json", "console"]

STDERR = 2

_LEVELS = {"warn": "warning", "exception": "error", "fatal": "critical", "msg": "info", "log": "info"}
#: Libraries that tell at INFO what they do all day.
_CHATTY = ("aiokafka", "alembic", "asyncio", "faststream", "httpx", "opentelemetry", "uvicorn.access")

Line = dict[str, Any]


def configure_logging(service: str, *, level: Level = "INFO", log_format: Format = "json", fd: int = STDERR) -> None:
    """Send every log of this process to `fd`, and what nobody caught, too. Call it once, before anything logs."""
    render = _json if log_format == "json" else _console(colors=os.isatty(fd))
    output = LogOutput(fd)

    def process(_logger: object, method: str, fields: MutableMapping[str, Any]) -> bytes:
        return render(_line(service, _LEVELS.get(method, method), fields))

    structlog.configure(
        processors=[process],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=True,
    )
    plain = log_format == "json" and logging.getLevelName(level) <= logging.INFO
    _tell.to = partial(_tell_plainly, service, output) if plain else _tell_bound
    root = logging.getLogger()
    root.handlers[:] = [_Forwarding(lambda line: output.msg(render(line)), service)]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def tell(event: msgspec.Struct) -> None:
    """Log at INFO an event whose fields are `event` itself, a dotted name, and ids, numbers and codes.

    Nothing is redacted: no field may hold what a caller wrote.
    """
    _tell.to(event)


def _tell_bound(event: msgspec.Struct) -> None:
    fields = msgspec.to_builtins(event)
    structlog.get_logger().info(fields.pop("event"), **fields)


def _tell_plainly(service: str, output: LogOutput, event: msgspec.Struct) -> None:
    ids = '"trace_id":"{}","span_id":"{}",'.format(*ids) if (ids := trace_ids()) else ""
    head = f'{{"time":"{_now()}","level":"info","service":"{service}",{ids}'
    output.info(head.encode() + _encode(event)[1:] + b"\n")


@dataclass(slots=True)
class _Told:
    to: Callable[[msgspec.Struct], None] = _tell_bound


_tell = _Told()


def _now() -> str:
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    return f"{_second(seconds)}.{microseconds:06}Z"


def _line(service: str, level: str, fields: Mapping[str, Any]) -> Line:
    line: Line = {
        "time": _now(),
        "level": level,
        "service": service,
        "event": fields["event"],
    }
    if ids := trace_ids():
        line["trace_id"], line["span_id"] = ids
    for name, value in fields.items():
        if name == "exc_info":
            if error := _exception(value):
                line["exception"] = described(error)
        elif name not in line:
            line[name] = redacted(name, value)
    return line


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _exception(exc_info: Any) -> BaseException | None:
    """The exception that `exc_info` names: itself, the triple of `sys.exc_info`, or True for the current one."""
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
        case True:
            return sys.exception()
        case _:
            return None


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _json(line: Line) -> bytes:
    return _encode(line) + b"\n"


def _console(*, colors: bool) -> Callable[[Line], bytes]:
    renderer = ConsoleRenderer(colors=colors, timestamp_key="time")

    def render(line: Line) -> bytes:
        shown = dict(line)
        errors = shown.pop("exception", ())
        text = str(renderer(None, line["level"], shown))
        for error in errors:
            frames = "".join(f"\n    {frame}" for frame in error["frames"])
            text += f"\n  {error['type']}: {error.get('message', '')}{frames}"
        return text.encode() + b"\n"

    return render


class _Forwarding(logging.Handler):
    """Takes the standard library's records into the same lines."""

    def __init__(self, write: Callable[[Line], None], service: str) -> None:
        super().__init__()
        self._write = write
        self._service = service

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`; a library's broken format string loses its line, no more."""
        try:
            event = record.getMessage()
            if record.name == "asyncio":
                event = event.partition("\n")[0]  # what follows is the repr of a task, exception message and all
            fields = {"event": redacted("event", event), "logger": record.name, "exc_info": record.exc_info}
            self._write(_line(self._service, record.levelname.lower(), fields))
        except Exception:  # noqa: BLE001 - see above
            DROPPED.inc()


def _uncaught(kind: type[BaseException], error: BaseException | None, _: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        structlog.get_logger().critical("process.crashed", exc_info=error)
