"""The substitute for a CUDA graph."""

import pytest
import torch
from recorded_operations import RecordedOperations


def test_the_substitute_keeps_python_numbers_and_reads_tensors():
    number, given, total = [2.0], torch.ones(3), torch.zeros(3)

    def compute() -> torch.Tensor:
        total.add_(number[0] * given)
        return total.sum()

    graph = RecordedOperations(compute)
    assert torch.equal(total, torch.zeros(3)), "recording computes nothing"
    graph.replay()
    assert float(graph.log) == 6.0
    number[0], _ = 5.0, given.fill_(10.0)
    graph.replay()
    assert float(graph.log) == 6.0 + 60.0, "the new tensor, the old number"
    with pytest.raises(RuntimeError, match="reads a tensor on the host"):
        RecordedOperations(lambda: total * float(given[0]))
