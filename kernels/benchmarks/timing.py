"""Times on a GPU: medians of replays of a captured graph, in a table of rows that ends as one JSON object."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

Work = Callable[[Any], Any]
# Microseconds on an H100 that a row is to stay under.
MARKS_US = {
    "select_16384x256_k8_bf16_cold": 7,
    "select_8192x128_k8_bf16_cold": 5,
    "select_8192x256_k8_bf16_cold": 6,
    "select_permute_8192x256_k8_composed_cold": 12,
    "select_permute_8192x256_k8_together_cold": 12,
    "route_1_h7168_e256_k8_cold": 5,
    "route_8192_h2048_e256_k8_cold": 30,
    "route_65536_h384_e64_k2_cold": 30,
    "route_1_h7168_e256_k8_together_cold": 5,
    "route_8192_h2048_e256_k8_together_cold": 30,
    "route_65536_h384_e64_k2_together_cold": 30,
    "masked_topk_10M_x384_q256_all": 6000,
}


@dataclass
class Bench:
    """The measurements of one run."""

    seconds: float
    rows: dict[str, dict[str, float | str]] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    copy_bytes_s: float = 0.0

    def __post_init__(self) -> None:
        properties = torch.cuda.get_device_properties(0)
        self.l2 = int(properties.L2_cache_size)
        source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
        target = torch.empty_like(source)
        self.copy_bytes_s = 2 * source.numel() / (median_us(lambda: target.copy_(source), 20) * 1e-6)
        print(f"{properties.name}, {torch.cuda.device_count()} device(s), copy {self.copy_bytes_s / 1e9:.0f} GB/s")
        print(f"{'row':<58}{'µs':>10}{'GB/s':>8}{'of copy':>9}{'H100 mark':>11}")

    def row(self, name: str, work: Work, inputs: Sequence[Any], size_bytes: int, *, inner: int = 1) -> None:
        """Time `work` over all inputs in one graph; `size_bytes` is what one call must move."""
        self.timed(name, lambda: graph_us(work, list(inputs) * inner), size_bytes)

    def timed(self, name: str, measure_us: Callable[[], float], size_bytes: int) -> None:
        """A row of what `measure_us` measures; what fails, or comes too late, is said and left out."""
        if time.monotonic() - self.started > self.seconds:
            self.left_out(name, "skipped", "out of time")
            return
        try:
            us = measure_us()
        except Exception as error:  # noqa: BLE001 - a baseline that fails is said, and the table goes on
            self.left_out(name, "failed", f"{type(error).__name__}: {error}"[:200])
            return
        rate = size_bytes / us * 1e6
        self.rows[name] = {
            "us": round(us, 3),
            "gb_s": round(rate / 1e9, 1),
            "of_copy": round(rate / self.copy_bytes_s, 3),
        }
        mark = f"{MARKS_US[name]:>11}" if name in MARKS_US else ""
        print(f"{name:<58}{us:>10.2f}{rate / 1e9:>8.0f}{rate / self.copy_bytes_s:>9.2f}{mark}", flush=True)

    def left_out(self, name: str, kind: str, why: str) -> None:
        """A row without figures, and why."""
        self.rows[name] = {kind: why}
        print(f"{name:<58}  {kind}: {why[:80]}", flush=True)

    def copies(self, size_bytes: int) -> int:
        """How many inputs of this size outlast the cache."""
        return max(2, min(64, -(-2 * self.l2 // max(size_bytes, 1)) + 1))


def median_us(work: Callable[[], Any], rounds: int) -> float:
    """The median of `rounds` timings by events."""
    work()
    events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(rounds)]
    for start, end in events:
        start.record()
        work()
        end.record()
    torch.cuda.synchronize()
    return float(sorted(start.elapsed_time(end) * 1e3 for start, end in events)[rounds // 2])


def graph_us(work: Work, inputs: Sequence[Any]) -> float:
    """Microseconds of one call, from replays of a graph of one call an input."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work(inputs[0])
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = [work(value) for value in inputs]
    graph.replay()
    torch.cuda.synchronize()
    once = median_us(graph.replay, 3)
    us = median_us(graph.replay, max(5, min(100, int(2e6 / max(once, 1))))) / len(inputs)
    del kept
    return us


def wall_us(work: Callable[[], Any], rounds: int) -> float:
    """The median of `rounds` timings by the clock, for work on the CPU."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e6)
    return sorted(times)[rounds // 2]
