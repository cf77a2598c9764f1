import torch

from thesis_lib.config import ConditionConfig
from thesis_lib.vocoder.conditioning import ConditionFusion, FiLM, PrincipalComponents, Standardise

SMALL = ConditionConfig(speaker_projection=4, emotion_projection=3, fusion_dim=8, condition_dim=5)


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


def test_what_lies_further_out_than_training_ever_did_counts_as_its_edge():
    statistics = Standardise(1)
    statistics.fit(torch.tensor([[-1.0], [1.0]]))
    assert statistics(torch.tensor([[-3000.0], [2.5], [3.5]])).flatten().tolist() == [-3.0, 2.5, 3.0]


def test_both_embeddings_reach_the_condition():
    fusion = ConditionFusion(7, 9, SMALL)
    speaker, emotion = torch.randn(2, 7), torch.randn(2, 9)
    base = fusion(speaker, emotion)
    assert base.shape == (2, 5)
    assert not torch.allclose(fusion(speaker + 1, emotion), base)
    assert not torch.allclose(fusion(speaker, emotion + 1), base)


def test_guidance_goes_along_the_line_from_neutral():
    fusion = ConditionFusion(7, 9, SMALL).eval()
    torch.nn.init.normal_(fusion.neutral)
    given = torch.randn(2, 7), torch.randn(2, 9)
    trained = fusion(*given)
    assert torch.equal(fusion(*given, guidance=0.0), fusion.neutral.expand(2, -1))
    assert torch.allclose(fusion(*given, guidance=2.0), 2 * trained - fusion.neutral, atol=1e-6)


def test_dropout_puts_the_neutral_condition_in_training_alone():
    fusion = ConditionFusion(7, 9, SMALL.model_copy(update={"condition_dropout": 0.25}))
    torch.nn.init.normal_(fusion.neutral)
    given = torch.randn(400, 7), torch.randn(400, 9)
    left_out = (fusion(*given) == fusion.neutral).all(dim=1).float().mean()
    assert 0.15 < left_out < 0.35
    assert not (fusion.eval()(*given) == fusion.neutral).all(dim=1).any()


def test_principal_components_are_white_in_order_of_their_size_and_the_rest_passes():
    rows = torch.randn(500, 2) * torch.tensor([0.5, 4.0]) + torch.tensor([3.0, -1.0])
    reduce = PrincipalComponents(2, 1)
    reduce.fit(rows)
    content = torch.cat([rows.T, torch.arange(500.0)[None]])[None]
    reduced = reduce(content)
    assert reduced.shape == (1, 2, 500)
    assert torch.equal(reduced[:, 1], content[:, 2])
    assert abs(float(reduced[0, 0].mean())) < 1e-3
    assert abs(float(reduced[0, 0].std()) - 1) < 0.01
    correlation = torch.corrcoef(torch.stack([reduced[0, 0], rows[:, 1]]))[0, 1]
    assert correlation.abs() > 0.99, "the larger direction is kept"
    assert "basis" in reduce.state_dict(), "it travels with the weights"


def test_film_channels_last_is_the_same():
    film = FiLM(6, 4)
    torch.nn.init.normal_(film.affine.weight)
    x, c = torch.randn(2, 6, 10), torch.randn(2, 4)
    assert torch.allclose(film(x, c), film(x.transpose(1, 2), c, dim=2).transpose(1, 2))
