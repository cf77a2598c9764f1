"""Comparing how long things take on a noisy machine: in one process, in turn."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from thesis_lib.utils.progress import Progress, silent


def interleaved(
    calls: Mapping[str, Callable[[], object]], rounds: int, progress: Progress = silent, threads: int = 1
) -> dict[str, list[float]]:
    """Name -> seconds of each round. A round calls each once, so that a disturbance meets all alike.

    One more round goes before them, unmeasured: it warms up caches and allocators.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    try:
        for number in progress(range(rounds + 1), rounds + 1, "speed"):
            for name, call in calls.items():
                started = time.perf_counter()
                call()
                if number:
                    seconds[name].append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(before)
    return seconds


def ratio(base: list[float], own: list[float]) -> dict[str, float]:
    """How many times as fast as ``base``: the median over the rounds, and their spread."""
    ratios = sorted(theirs / mine for theirs, mine in zip(base, own, strict=True))
    return {"median": statistics.median(ratios), "low": ratios[0], "high": ratios[-1]}
