"""Interleaved timing: comparable times of several functions on a machine with other load."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from thesis_lib.utils.progress import Progress, silent


def interleaved(
    calls: Mapping[str, Callable[[], object]], rounds: int, progress: Progress = silent, threads: int = 1
) -> dict[str, list[float]]:
    """Time each function once per round, in turn. Returns the seconds of each round by name.

    Other load then slows all functions alike. One round more, which is not timed, comes first and fills caches.
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
    """Speed relative to ``base``, a factor above 1 where it is faster: median, lowest and highest over the rounds."""
    ratios = sorted(theirs / mine for theirs, mine in zip(base, own, strict=True))
    return {"median": statistics.median(ratios), "low": ratios[0], "high": ratios[-1]}
