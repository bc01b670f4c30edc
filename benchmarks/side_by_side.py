"""What rounds of alternating runs say: medians, and ratios within the round, for the machine's speed changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """Unary requests in one round. CPU for each of the gateway's process tree, and of what works beside it for it."""

    cpu_ms: float
    requests_per_s: float
    p50_ms: float
    resident_mib: float
    beside_cpu_ms: float = 0.0
    beside_mib: float = 0.0


@dataclass(frozen=True, slots=True)
class Flow:
    """Streams in one round: CPU for each frame in microseconds, and how long all took in seconds."""

    cpu_us: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Row:
    """A gateway's unary requests over all rounds: medians (of memory the most), and ratios to the base."""

    cpu_ms: float
    requests_per_s: float
    added_p50_ms: float
    resident_mib: float
    beside_cpu_ms: float
    beside_mib: float
    cpu_ratio: float
    pace_ratio: float


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A gateway's streams over all rounds: medians, and the ratio to the base."""

    cpu_us: float
    seconds: float
    cpu_ratio: float


def row(runs: Sequence[Run], direct: Sequence[Run], base: Sequence[Run]) -> Row:
    """What `runs` say, each set against the direct and the base run of its own round."""
    return Row(
        cpu_ms=median(run.cpu_ms for run in runs),
        requests_per_s=median(run.requests_per_s for run in runs),
        added_p50_ms=median(run.p50_ms - straight.p50_ms for run, straight in zip(runs, direct, strict=True)),
        resident_mib=max(run.resident_mib for run in runs),
        beside_cpu_ms=median(run.beside_cpu_ms for run in runs),
        beside_mib=max(run.beside_mib for run in runs),
        cpu_ratio=ratio([run.cpu_ms for run in runs], [run.cpu_ms for run in base]),
        pace_ratio=ratio([run.requests_per_s for run in runs], [run.requests_per_s for run in base]),
    )


def flow_row(flows: Sequence[Flow], base: Sequence[Flow]) -> FlowRow:
    """What `flows` say, each set against the base's of its own round."""
    return FlowRow(
        cpu_us=median(flow.cpu_us for flow in flows),
        seconds=median(flow.seconds for flow in flows),
        cpu_ratio=ratio([flow.cpu_us for flow in flows], [flow.cpu_us for flow in base]),
    )


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """The median of each round's ratio; infinite where the base's is too small to be seen."""
    return median(value / other if other else float("inf") for value, other in zip(values, base, strict=True))


def table(rows: Mapping[int, Mapping[str, Row]]) -> str:
    """The rows for a person, one block for each count of connections."""
    lines = []
    for connections, named in rows.items():
        title = f"{connections} connection{'s' if connections > 1 else ''}"
        lines.append(
            f"{title:<16}{'CPU ms':>10}{'x CPU':>9}{'requests/s':>12}{'x pace':>9}{'added p50 ms':>14}{'RSS MiB':>10}"
        )
        lines += [
            f"{name:<16}{shown.cpu_ms:>10.3f}{shown.cpu_ratio:>9.2f}{shown.requests_per_s:>12,.0f}"
            f"{shown.pace_ratio:>9.3f}{shown.added_p50_ms:>14.2f}{shown.resident_mib:>10.0f}"
            for name, shown in named.items()
        ]
        lines.append("")
    return "\n".join(lines)


def flow_table(rows: Mapping[str, FlowRow]) -> str:
    """The streams for a person."""
    lines = [f"{'SSE':<16}{'CPU us':>10}{'x CPU':>9}{'seconds':>12}"]
    lines += [
        f"{name:<16}{shown.cpu_us:>10.1f}{shown.cpu_ratio:>9.2f}{shown.seconds:>12.2f}" for name, shown in rows.items()
    ]
    return "\n".join(lines)


def as_json(rows: Mapping[int, Mapping[str, Row]], flows: Mapping[str, FlowRow]) -> dict[str, Any]:
    """The rows for a program, by connections and name."""
    return {
        "unary": {
            str(connections): {
                name: {
                    "cpu_ms_per_request": round(shown.cpu_ms, 4),
                    "cpu_ratio": round(shown.cpu_ratio, 2),
                    "requests_per_s": round(shown.requests_per_s, 1),
                    "pace_ratio": round(shown.pace_ratio, 4),
                    "added_p50_ms": round(shown.added_p50_ms, 3),
                    "rss_mib": round(shown.resident_mib, 1),
                }
                for name, shown in named.items()
            }
            for connections, named in rows.items()
        },
        "sse": {
            name: {
                "cpu_us_per_frame": round(shown.cpu_us, 2),
                "cpu_ratio": round(shown.cpu_ratio, 2),
                "seconds": round(shown.seconds, 2),
            }
            for name, shown in flows.items()
        },
    }
