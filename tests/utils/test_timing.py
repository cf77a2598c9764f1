import pytest
import torch

from thesis_lib.utils.timing import interleaved, ratio


def test_the_calls_take_turns_on_one_thread_and_the_first_round_is_not_counted():
    called, threads = [], torch.get_num_threads()

    def call(name):
        assert torch.get_num_threads() == 1
        called.append(name)

    seconds = interleaved({"a": lambda: call("a"), "b": lambda: call("b")}, rounds=3)
    assert called == ["a", "b"] * 4
    assert {name: len(rounds) for name, rounds in seconds.items()} == {"a": 3, "b": 3}
    assert torch.get_num_threads() == threads


def test_a_failing_call_gives_the_threads_back():
    threads = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        interleaved({"bad": lambda: 1 / 0}, rounds=1)
    assert torch.get_num_threads() == threads


def test_a_ratio_is_taken_round_by_round():
    assert ratio([4.0, 6.0, 9.0], [2.0, 2.0, 9.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}
