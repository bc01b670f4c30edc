"""What rounds of alternating runs say: medians, and ratios within the round, for the machine's speed changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Run:
    """One gateway at so many connections in one round. CPU is that of its whole process tree."""

    cpu_ms: float
    requests_per_s: float
    p50_ms: float
    resident_mib: float


@dataclass(frozen=True, slots=True)
class Row:
    """A gateway over all rounds: medians, and how much of the base's CPU and pace it has."""

    cpu_ms: float
    requests_per_s: float
    added_p50_ms: float
    resident_mib: float
    cpu_ratio: float
    pace_ratio: float


def row(runs: Sequence[Run], direct: Sequence[Run], base: Sequence[Run]) -> Row:
    """The medians of `runs`, each set against the direct and the base run of its own round."""
    return Row(
        cpu_ms=median(run.cpu_ms for run in runs),
        requests_per_s=median(run.requests_per_s for run in runs),
        added_p50_ms=median(run.p50_ms - straight.p50_ms for run, straight in zip(runs, direct, strict=True)),
        resident_mib=max(run.resident_mib for run in runs),
        cpu_ratio=ratio([run.cpu_ms for run in runs], [run.cpu_ms for run in base]),
        pace_ratio=ratio([run.requests_per_s for run in runs], [run.requests_per_s for run in base]),
    )


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """The median of each round's ratio; infinite in a round where the base is nothing."""
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
