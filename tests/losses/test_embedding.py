"""Losses of embeddings worked by hand."""

import pytest
import torch

from thesis_lib.losses import cosine_loss, embedding_mse_loss


def test_cosine_and_mse_by_hand():
    a, b = torch.tensor([[2.0, 0.0], [0.0, 1.0]]), torch.tensor([[0.0, 5.0], [0.0, 3.0]])
    assert float(cosine_loss(a, b)) == pytest.approx(0.5)  # cosines 0 and 1
    assert float(embedding_mse_loss(a, b)) == pytest.approx((2 / 2 + 0) / 2)


@pytest.mark.parametrize(("size", "times"), [(192, 96), (768, 384)])
def test_the_plans_mse_has_a_96_or_384_times_weaker_gradient(size, times):
    a, b = torch.randn(1, size, requires_grad=True), torch.randn(1, size)
    norms = [torch.autograd.grad(loss(a, b), a)[0].norm() for loss in (cosine_loss, embedding_mse_loss)]
    assert float(norms[0] / norms[1]) == pytest.approx(times, rel=1e-3)
