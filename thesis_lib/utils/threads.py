"""Number of threads of the numeric libraries in this process or thread; torch is not imported for it."""

import os
import sys


def default_threads() -> int:
    """The first number of OMP_NUM_THREADS, else the number of cores that the process may use.

    The variable may be a list with a number for each level of nested threads (OpenMP 5.2, sec. 21.1.2). A value that
    is not a number above 0 is ignored, as OpenMP's runtimes do.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else available_cores()


def available_cores() -> int:
    """The number of cores that the process may use: fewer than the machine has under ``taskset`` or in a container."""
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def limit_threads(count: int) -> None:
    """Use ``count`` threads in what is loaded from now on, and in torch where it is loaded already."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    set_torch_threads(count)


def set_torch_threads(count: int) -> None:
    """Set torch's threads where torch is loaded; a setting of one thread holds for that thread."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


def torch_threads() -> int:
    """torch's number of threads; 1 where torch is not loaded."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else 1
