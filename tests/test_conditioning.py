import torch

from thesis_lib.conditioning import ConditionFusion, FiLM, Standardise
from thesis_lib.config import GeneratorConfig

SMALL = GeneratorConfig(speaker_projection=4, emotion_projection=3, fusion_dim=8, condition_dim=5)


def test_film_is_the_identity_at_the_start():
    film = FiLM(6, 4)
    x = torch.randn(2, 6, 10)
    assert torch.equal(film(x, torch.randn(2, 4)), x)


def test_film_by_hand():
    film = FiLM(1, 1)
    film.affine.weight.data = torch.tensor([[2.0], [0.0]])  # gamma = 2c + 1, beta = 3
    film.affine.bias.data = torch.tensor([1.0, 3.0])
    x = torch.tensor([[[1.0, -2.0]]])
    assert torch.equal(film(x, torch.tensor([[0.5]])), torch.tensor([[[6.0, -3.0]]]))


def test_film_passes_the_gradient_to_the_condition_once_it_has_moved():
    film = FiLM(3, 4)
    torch.nn.init.normal_(film.affine.weight)
    c = torch.randn(2, 4, requires_grad=True)
    film(torch.randn(2, 3, 5), c).sum().backward()
    assert c.grad.abs().min() > 0


def test_standardise_by_hand_and_a_constant_feature():
    statistics = Standardise(2)
    statistics.fit(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    assert torch.allclose(statistics(torch.tensor([[3.0, 5.0]])), torch.tensor([[1.0, 0.0]]))
    assert torch.isfinite(statistics(torch.tensor([[0.0, 6.0]]))).all()
    assert "mean" in statistics.state_dict()


def test_both_embeddings_reach_the_condition():
    fusion = ConditionFusion(7, 9, SMALL)
    speaker, emotion = torch.randn(2, 7), torch.randn(2, 9)
    base = fusion(speaker, emotion)
    assert base.shape == (2, 5)
    assert not torch.allclose(fusion(speaker + 1, emotion), base)
    assert not torch.allclose(fusion(speaker, emotion + 1), base)
