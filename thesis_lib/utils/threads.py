"""Number of threads of the numeric libraries in this process or thread; torch is not imported for it."""

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")  # lines HIERARCHY:CONTROLLERS:PATH; of cgroup v2 without controllers


def default_threads() -> int:
    """The first number of OMP_NUM_THREADS, else the number of cores that the process may use.

    The variable may be a list with a number for each level of nested threads (OpenMP 5.2, sec. 21.1.2). A value that
    is not a number above 0 is ignored, as OpenMP's runtimes do.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else available_cores()


def available_cores() -> int:
    """The number of cores that the process may use: fewer than the machine has under ``taskset`` or in a container."""
    # Only Linux has the first.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return cores if quota is None else min(cores, max(1, math.ceil(quota)))


def cpu_quota() -> float | None:
    """The CPU time a second that the process's control groups allow, in cores; None: no limit.

    The smallest quota of its groups and of the groups around them, of cgroup v2 (cpu.max) and v1 (cpu.cfs_quota_us).
    """
    quotas = [quota for folder in _groups() if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _groups() -> Iterator[Path]:
    """The folders of the process's control groups that may limit CPU time, and of the groups around them."""
    try:
        lines = OWN_GROUPS.read_text().splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Inside a container the path may be the host's: then only the hierarchy's top is there, the container's group.
        group = Path(path.lstrip("/"))
        # A hierarchy of several controllers is mounted under their names in any order, with a link "cpu".
        for top in {"cpu", controllers} if controllers else {""}:
            yield from (CGROUPS / top / folder for folder in (group, *group.parents))


def _quota_of(folder: Path) -> float | None:
    """The quota of one group, in cores; None where it has none."""
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
    except OSError:
        return None
    return int(quota) / int(period) if quota.strip() not in ("max", "-1") else None


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
