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


def test_only_the_cores_that_the_process_may_use_are_counted(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 5, 6}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert session_options().intra_op_num_threads == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    assert threads.available_cores() == 64
