import pytest
import torch

from thesis_lib.config import AudioConfig, Config, GeneratorConfig
from thesis_lib.generator import Generator
from thesis_lib.synthesis import UNIVERSAL, Vocoder, universal_state

TINY = Config.from_profile("smoke").generator


def count(generator) -> int:
    return sum(
        p.numel() for n, p in generator.named_parameters() if not n.startswith("condition.") and ".affine." not in n
    )


def test_v1_has_the_papers_parameter_count():
    generator = Generator(AudioConfig(), GeneratorConfig(), 192, 768).fold_weight_norm()
    assert count(generator) == 13_926_017  # 13.92 M in table 1 of the paper
    megabytes = 4 * sum(p.numel() for p in generator.parameters()) / 1e6
    assert abs(megabytes - 85.31) < 0.05


@pytest.mark.parametrize(("channels", "expected"), [(128, 0.92e6)])
def test_v2_has_the_papers_parameter_count(channels, expected):
    config = GeneratorConfig(channels=channels)
    assert abs(count(Generator(AudioConfig(), config, 192, 768).fold_weight_norm()) - expected) < 0.01e6


@pytest.mark.parametrize("frames", [1, 2, 7, 40])
@pytest.mark.parametrize(("rates", "hop"), [((8, 8, 2, 2), 256), ((5, 3, 2), 30)])
def test_output_length_is_exact(frames, rates, hop):
    config = TINY.model_copy(update={"upsample_rates": rates})
    generator = Generator(AudioConfig(hop_length=hop), config, 5, 6)
    wav = generator(torch.randn(2, 80, frames), torch.randn(2, 5), torch.randn(2, 6))
    assert wav.shape == (2, 1, frames * hop)
    assert wav.abs().max() <= 1


def test_the_condition_changes_nothing_before_training_and_something_after():
    generator = Generator(AudioConfig(), TINY, 5, 6)
    mel, emotion = torch.randn(1, 80, 9), torch.randn(1, 6)
    a, b = (generator(mel, torch.randn(1, 5), emotion) for _ in range(2))
    assert torch.equal(a, b)
    for module in generator.modules():
        if hasattr(module, "affine"):
            torch.nn.init.normal_(module.affine.weight, std=0.1)
    a, b = (generator(mel, torch.randn(1, 5), emotion) for _ in range(2))
    assert (a - b).abs().max() > 1e-4


def test_folding_weight_norm_changes_nothing():
    generator = Generator(AudioConfig(), TINY, 5, 6)
    inputs = torch.randn(1, 80, 9), torch.randn(1, 5), torch.randn(1, 6)
    before = generator(*inputs)
    assert torch.allclose(generator.fold_weight_norm()(*inputs), before, atol=1e-6)
    assert not any("original" in name for name in generator.state_dict())


def test_foreign_weights_are_refused():
    with pytest.raises(RuntimeError, match="keys differ"):
        Generator(AudioConfig(), TINY, 5, 6).load_hifigan({"conv_pre.bias": torch.zeros(3)})


@pytest.mark.weights("hifigan-universal")
def test_loaded_with_the_published_weights_it_equals_speechbrains_generator():
    """An independent implementation with the same weights: conditioned generator and reference agree."""
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    state = universal_state()
    reference = HifiganGenerator(
        in_channels=80,
        out_channels=1,
        resblock_type="1",
        resblock_dilation_sizes=[[1, 3, 5]] * 3,
        resblock_kernel_sizes=[3, 7, 11],
        upsample_kernel_sizes=[16, 16, 4, 4],
        upsample_initial_channel=512,
        upsample_factors=[8, 8, 2, 2],
        inference_padding=0,
    )
    theirs = {}
    for name in reference.state_dict():
        official = name.replace(".conv.parametrizations", ".parametrizations").replace(".conv.bias", ".bias")
        official = official.replace(".conv.weight", ".weight")
        official = official.replace("parametrizations.weight.original0", "weight_g")
        official = official.replace("parametrizations.weight.original1", "weight_v")
        theirs[name] = state[official]
    reference.load_state_dict(theirs, strict=True)
    vocoder = Vocoder.from_pretrained(UNIVERSAL)
    mel = torch.randn(1, 80, 50) - 4
    # It pads by reflection where the official code pads with zeros: they agree away from the edges, beyond
    # V1's receptive field of 13 frames on each side.
    inside = slice(14 * 256, -14 * 256)
    with torch.no_grad():
        expected = reference.eval()(mel).squeeze(1)
    for _ in range(2):
        ours = vocoder(mel, torch.randn(1, 192), torch.randn(1, 88))
        assert (ours - expected)[:, inside].abs().max() <= 1e-5
