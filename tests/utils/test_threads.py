"""The default number of threads, and one thread of BLAS."""

import os
import subprocess
import sys

import pytest

from thesis_lib.utils import threads
from thesis_lib.utils.onnx_graph import session_options
from thesis_lib.utils.threads import available_cores


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


OVERLAPPING = """
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy
from threadpoolctl import threadpool_info

from thesis_lib.utils.threads import one_blas_thread

def blas():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

second_is_inside, first_has_ended = Event(), Event()

def first():
    with one_blas_thread():
        assert second_is_inside.wait(20)
    first_has_ended.set()

def second():
    with one_blas_thread(), one_blas_thread():
        second_is_inside.set()
        assert first_has_ended.wait(20)
        return blas()

def failing():
    with one_blas_thread():
        assert blas() == {1}
        raise ValueError

before = blas()
assert before != {1}
with ThreadPoolExecutor(2) as pool:
    futures = pool.submit(first), pool.submit(second)
    assert [future.result() for future in futures] == [None, {1}]
assert blas() == before
try:
    failing()
except ValueError:
    pass
assert blas() == before
"""


@pytest.mark.skipif(available_cores() < 2, reason="on one core BLAS has one thread")
def test_blas_has_one_thread_inside_blocks_that_overlap_and_its_own_after_them():
    """In a process of its own, in which nothing else sets the threads of BLAS."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    ran = subprocess.run([sys.executable, "-c", OVERLAPPING], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
