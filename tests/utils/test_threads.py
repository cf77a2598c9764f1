"""The default number of threads."""

import os

import pytest

from thesis_lib.utils import threads
from thesis_lib.utils.onnx_graph import session_options


@pytest.mark.parametrize(("given", "expected"), [("4,2", 4), (" 3 , 1", 3), ("2", 2), ("", 7), ("0", 7), ("many", 7)])
def test_the_first_number_of_omp_num_threads_counts(monkeypatch, given, expected):
    monkeypatch.setattr(threads, "available_cores", lambda: 7)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert session_options().intra_op_num_threads == expected
    assert session_options(5).intra_op_num_threads == 5


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """A folder that stands for /sys/fs/cgroup, and a machine of 64 cores; files are written by their paths."""
    monkeypatch.setattr(threads, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(threads, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)

    def write(own: str, **files: str) -> None:
        (tmp_path / "own").write_text(own)
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


V1 = "5:cpuset:/\n4:cpu,cpuacct:/docker/0a\n3:memory:/docker/0a\n0::/\n"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 64),
        ("0::/a.slice/b\n", {"a.slice/cpu.max": "300000 100000\n", "a.slice/b/cpu.max": "max 100000\n"}, 3),
        ("0::/a.slice/b\n", {"a.slice/cpu.max": "300000 100000\n", "a.slice/b/cpu.max": "50000 100000\n"}, 1),
        ("0::/a.slice/b\n", {"a.slice/c/cpu.max": "100000 100000\n"}, 64),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 3),
        (
            V1,
            {"cpu,cpuacct/docker/0a/cpu.cfs_quota_us": "50000", "cpu,cpuacct/docker/0a/cpu.cfs_period_us": "25000"},
            2,
        ),
        (V1, {"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 64),
        ("4:cpuacct,cpu:/\n", {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
        (V1, {"memory/docker/0a/cpu.max": "100000 100000\n"}, 64),
        ("", {}, 64),
    ],
)
def test_a_quota_of_cpu_time_limits_the_cores(groups, own, files, expected):
    groups(own, **files)
    assert threads.available_cores() == expected


def test_a_system_without_control_groups_has_no_quota(groups):
    assert threads.cpu_quota() is None
    assert threads.available_cores() == 64


def test_only_the_cores_that_the_process_may_use_are_counted(monkeypatch, groups):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 5, 6}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert session_options().intra_op_num_threads == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert threads.available_cores() == 64
