"""Comparing how long things take on a noisy machine: in one process, on one thread, in turn."""

import time
from collections.abc import Callable

import torch

from thesis_lib.runs import Progress, silent


def interleaved(
    calls: dict[str, Callable[[], object]], rounds: int, progress: Progress = silent
) -> dict[str, list[float]]:
    """Name -> seconds of each round. A round calls each once, so that a disturbance meets all alike.

    One more round goes before them, unmeasured: it warms up caches and allocators.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    try:
        with torch.inference_mode():
            for number in progress(range(rounds + 1), rounds + 1, "speed"):
                for name, call in calls.items():
                    started = time.perf_counter()
                    call()
                    if number:
                        seconds[name].append(time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
    return seconds
