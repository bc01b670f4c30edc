"""What a proposal costs as its project grows, as figures and as a picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from psmp_seed import SeededProject
from psmp_writers import Load, Proposed

ROUNDS: Final = 15
EACH: Final = 160
"""Proposals in one look."""

# A picture of two lines is not worth a plotting package that somebody would have to keep; the standard library writes
# it, and the same figures give the same bytes.
_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 170, 50, 60
_TICKS: Final = 5


@dataclass(frozen=True, slots=True)
class Growth:
    """By the number of artifacts in the project: CPU of one proposal in microseconds, each the median of many looks."""

    gateway_us: Mapping[int, float]
    database_us: Mapping[int, float]

    def both_us(self, artifacts: int) -> float:
        """Service and database together."""
        return self.gateway_us[artifacts] + self.database_us[artifacts]

    def ratio(self, large: int, small: int) -> float:
        """How much more a proposal costs in the larger project."""
        return self.both_us(large) / self.both_us(small)


async def measure_growth(load: Load, projects: Mapping[int, SeededProject], rounds: int = ROUNDS) -> Growth:
    """Each project in turn, again and again, so that all meet the same machine."""
    seen: dict[int, list[Proposed]] = {size: [] for size in projects}
    for size, project in projects.items():
        await load.propose(project.id, project.declarations, EACH)
        seen[size].clear()
    for _ in range(rounds):
        for size, project in projects.items():
            seen[size].append(await load.propose(project.id, project.declarations, EACH))
    return Growth(
        {size: statistics.median(one.service_us for one in looks) for size, looks in seen.items()},
        {size: statistics.median(one.database_us for one in looks) for size, looks in seen.items()},
    )


def draw(growth: Growth, path: Path) -> None:
    """The growth as SVG: artifacts to the right, on a logarithmic axis; milliseconds of CPU upwards, from 0."""
    sizes = sorted(growth.gateway_us)
    lines = {
        "together": [growth.both_us(size) / 1000 for size in sizes],
        "gateway": [growth.gateway_us[size] / 1000 for size in sizes],
        "database": [growth.database_us[size] / 1000 for size in sizes],
    }
    most = _ceiling(max(lines["together"]))
    picture = ET.Element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img")
    ET.SubElement(picture, "title").text = "CPU of one proposal, by the artifacts that are in its project"
    ET.SubElement(
        picture, "style"
    ).text = "text{font:13px sans-serif;fill:#333}line{stroke:#ddd}polyline{fill:none;stroke-width:2.5}"
    ET.SubElement(picture, "rect", width=str(_WIDTH), height=str(_HEIGHT), fill="#fff")
    _text(picture, _LEFT, 26, "CPU of one proposal through gRPC, in milliseconds", anchor="start")
    for tick in range(_TICKS + 1):
        value = most * tick / _TICKS
        y = _y(value, most)
        _line(picture, _LEFT, y, _WIDTH - _RIGHT, y)
        _text(picture, _LEFT - 8, y + 4, f"{value:g}", anchor="end")
    for size in sizes:
        x = _x(size, sizes)
        _line(picture, x, _TOP, x, _HEIGHT - _BOTTOM)
        _text(picture, x, _HEIGHT - _BOTTOM + 20, f"{size:,}", anchor="middle")
    _text(picture, (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 14, "artifacts in the project", anchor="middle")
    for (name, values), colour in zip(lines.items(), ("#1b1b1b", "#0b6e99", "#c2570c"), strict=True):
        points = [(_x(size, sizes), _y(value, most)) for size, value in zip(sizes, values, strict=True)]
        ET.SubElement(picture, "polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), stroke=colour)
        for x, y in points:
            ET.SubElement(picture, "circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r="3.5", fill=colour)
        _text(picture, points[-1][0] + 12, points[-1][1] + 4, f"{name}, {values[-1]:.2f} ms", anchor="start")
    ET.indent(picture)
    path.write_text(ET.tostring(picture, encoding="unicode") + "\n", encoding="utf-8")


def _ceiling(value: float) -> float:
    """The next of some round numbers."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= value)


def _x(size: int, sizes: Sequence[int]) -> float:
    low, high = math.log10(sizes[0]), math.log10(sizes[-1])
    share = (math.log10(size) - low) / (high - low) if high > low else 0.5
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, most: float) -> float:
    return _HEIGHT - _BOTTOM - value / most * (_HEIGHT - _TOP - _BOTTOM)


def _line(picture: ET.Element, x1: float, y1: float, x2: float, y2: float) -> None:
    ET.SubElement(picture, "line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}", y2=f"{y2:.1f}")


def _text(picture: ET.Element, x: float, y: float, text: str, *, anchor: str) -> None:
    ET.SubElement(picture, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor}).text = text
