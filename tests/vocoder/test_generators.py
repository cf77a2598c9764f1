import pytest
import torch

from benchmarks.peers import speechbrain_v1
from thesis_lib.audio.pitch import PITCH_CENTRE, PITCH_SCALE
from thesis_lib.config import (
    GENERATOR_PRESETS,
    AudioConfig,
    Config,
    ContentConfig,
    HifiganConfig,
    IstftConfig,
    Recipe,
    TrainingConfig,
)
from thesis_lib.vocoder.content import channels
from thesis_lib.vocoder.generators import HifiganGenerator, build_generator
from thesis_lib.vocoder.generators.base import GeneratorError
from thesis_lib.vocoder.generators.istft import HarmonicSource, Stft
from thesis_lib.vocoder.synthesis import UNIVERSAL, Vocoder, universal_state

TINY = Config.from_profile("smoke").resynthesis.generator
SMALL = {"speaker_projection": 8, "emotion_projection": 8, "fusion_dim": 16, "condition_dim": 8}
ENVELOPE = ContentConfig(kind="envelope")
# name -> (content, configuration): every generator that the contract holds for.
KINDS = {
    "hifigan": (ContentConfig(), TINY),
    "hifigan without plain convolutions": (ContentConfig(), TINY.model_copy(update={"plain_convolutions": False})),
    "istft": (ContentConfig(), IstftConfig(channels=16, blocks=2, **SMALL)),
    "istft, phonetic": (
        ContentConfig(kind="phonetic", components=7),
        IstftConfig(channels=16, blocks=2, excitation="harmonic", **SMALL),
    ),
    "istft, harmonic": (ENVELOPE, IstftConfig(channels=16, blocks=2, excitation="harmonic", **SMALL)),
}


def make(kind, audio=None):
    content, config = KINDS[kind]
    return build_generator(audio or AudioConfig(), content, config, 5, 6)


def inputs(kind, frames=9, batch=1):
    content, _ = KINDS[kind]
    return torch.randn(batch, channels(AudioConfig(), content), frames), torch.randn(batch, 5), torch.randn(batch, 6)


def count(generator) -> int:
    """Without the condition and its modulation."""
    return sum(
        p.numel() for n, p in generator.named_parameters() if not n.startswith("condition.") and ".affine." not in n
    )


def by_name(name):
    recipe = Recipe(generator=name, training=TrainingConfig(warm_start="none"))
    return build_generator(AudioConfig(), ContentConfig(), recipe.generator, 192, 768).fold_weight_norm()


# Table 1 of the paper says 13.92 M, 0.92 M and 1.46 M.
@pytest.mark.parametrize(("name", "expected"), [("v1", 13_926_017), ("v2", 925_985), ("v3", 1_462_273)])
def test_hifigan_has_the_papers_parameter_counts(name, expected):
    assert count(by_name(name)) == expected


def test_the_plans_checkpoint_size():
    megabytes = 4 * sum(p.numel() for p in by_name("v1").parameters()) / 1e6
    assert abs(megabytes - 85.31) < 0.05


def test_istft_sizes():
    sizes = {name: sum(p.numel() for p in by_name(name).parameters()) for name in GENERATOR_PRESETS if "istft" in name}
    assert sizes["istft-small"] < 1.05e6
    assert sizes["istft"] <= 1.9e6, "with emotion2vec's 768 dimensions"
    assert sizes["istft-large"] < 3.4e6


@pytest.mark.parametrize("frames", [1, 2, 7, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_output_length_is_exact(kind, frames):
    wav = make(kind)(*inputs(kind, frames, batch=2))
    assert wav.shape == (2, 1, frames * 256)
    assert torch.isfinite(wav).all()


@pytest.mark.parametrize("rates", [(5, 3, 2), (3, 3)])
def test_odd_rates_keep_the_length(rates):
    hop = torch.tensor(rates).prod().item()
    config = TINY.model_copy(update={"upsample_rates": rates})
    generator = build_generator(AudioConfig(hop_length=hop), ContentConfig(), config, 5, 6)
    assert generator(*inputs("hifigan", 7)).shape == (1, 1, 7 * hop)


@pytest.mark.parametrize("kind", KINDS)
def test_the_condition_changes_nothing_before_training_and_something_after(kind):
    generator = make(kind)
    content, _, emotion = inputs(kind)
    a, b = (generator(content, torch.randn(1, 5), emotion) for _ in range(2))
    assert torch.equal(a, b)
    for module in generator.modules():
        if hasattr(module, "affine"):
            torch.nn.init.normal_(module.affine.weight, std=0.1)
    a, b = (generator(content, torch.randn(1, 5), emotion) for _ in range(2))
    assert (a - b).abs().max() > 1e-6
    assert torch.equal(*(generator(content, torch.randn(1, 5), emotion, guidance=0.0) for _ in range(2)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_has_a_gradient_once_the_condition_has_moved(kind):
    generator = make(kind)
    for module in generator.modules():
        if hasattr(module, "affine"):
            torch.nn.init.normal_(module.affine.weight, std=0.1)
    generator(*inputs(kind, batch=3)).pow(2).sum().backward()
    silent = [n for n, p in generator.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == ["condition.neutral"], "only condition dropout trains that one"


@pytest.mark.parametrize("kind", KINDS)
def test_folding_weight_norm_changes_nothing(kind):
    generator = make(kind)
    given = inputs(kind)
    before = generator(*given)
    assert torch.allclose(generator.fold_weight_norm()(*given), before, atol=1e-6)
    assert not any("original" in name for name in generator.state_dict())


@pytest.mark.parametrize("frames", [1, 2, 5, 33])
def test_the_inverse_stft_undoes_the_stft(frames):
    stft, wav = Stft(AudioConfig()), torch.randn(2, frames * 256)
    inverse = stft.inverse(stft(wav))
    assert inverse.shape == wav.shape
    # The very first and last samples have hardly any window on them.
    assert (inverse - wav)[:, 2:-2].abs().max() < 1e-4


def test_an_n_fft_that_the_hop_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="multiple of the hop_length"):
        Stft(AudioConfig(hop_length=300))


@pytest.mark.parametrize("f0", [80.0, 201.5, 440.0])
def test_the_pulses_have_the_given_pitch_a_flat_spectrum_and_unit_power(f0):
    audio = AudioConfig()
    pulses, noise = HarmonicSource(audio)(torch.full((1, 90), f0))
    assert pulses.pow(2).mean() == pytest.approx(1, abs=0.05)
    assert noise.pow(2).mean() == pytest.approx(1, abs=0.05)
    spectrum = torch.fft.rfft(pulses[0] * torch.hann_window(pulses.shape[1])).abs()
    bins = [round(k * f0 * pulses.shape[1] / audio.sample_rate) for k in range(1, int(10_000 / f0))]
    peaks = torch.stack([spectrum[b - 1 : b + 2].max() for b in bins])
    valleys = torch.stack([spectrum[(a + b) // 2] for a, b in zip(bins[:-1], bins[1:], strict=True)])
    assert peaks.max() / peaks.min() < 1.5
    assert valleys.max() < 0.05 * peaks.min()


def test_the_pulses_follow_a_glide_without_a_click():
    pulses, _ = HarmonicSource(AudioConfig())(torch.linspace(100, 300, 60)[None])
    assert torch.isfinite(pulses).all()
    assert pulses.abs().max() < 20


def test_the_excitation_moves_the_output_to_the_contents_pitch():
    """An untrained harmonic generator already speaks at the F0 that its content asks for."""
    generator = make("istft, harmonic")
    with torch.no_grad():
        generator.head.weight.zero_()
        generator.head.bias[513:1026] = -20  # no noise
        for f0 in (110.0, 240.0):
            content, speaker, emotion = inputs("istft, harmonic", 60)
            content[:, -2] = (torch.tensor(f0).log() - PITCH_CENTRE) / PITCH_SCALE
            wav = generator(content, speaker, emotion)[0, 0]
            spectrum = torch.fft.rfft(wav * torch.hann_window(len(wav))).abs()
            at = [spectrum[round(k * f0 * len(wav) / 22_050) + torch.arange(-2, 3)].max() for k in (1, 1.5, 2, 2.5)]
            assert min(at[0], at[2]) > 20 * max(at[1], at[3]), "harmonics of f0, and nothing between them"


def test_a_generator_with_a_global_operation_has_no_receptive_field():
    lengths, tried = [32, 64, 128, 256, 512, 1024, 2048], []

    class Global(HifiganGenerator):
        def synthesise(self, content, c, origin=None):
            tried.append(content.shape[2])
            assert len(tried) <= len(lengths), "the search does not end"
            return super().synthesise(content - content.mean(2, keepdim=True), c, origin)

    with pytest.raises(GeneratorError, match="Global: an output frame depends on more than 1024 input frames"):
        Global(AudioConfig(), ContentConfig(), TINY, 5, 6).receptive_field()
    assert tried == lengths


def test_foreign_weights_are_refused():
    with pytest.raises(RuntimeError, match="keys differ"):
        make("hifigan").load_hifigan({"conv_pre.bias": torch.zeros(3)})


@pytest.mark.weights("hifigan-universal")
def test_loaded_with_the_published_weights_it_equals_speechbrains_generator():
    """An independent implementation with the same weights: conditioned generator and reference agree."""
    state, reference = universal_state(), speechbrain_v1()
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


def test_v3_equals_speechbrains_generator_with_the_same_weights():
    """V3 is the configuration without plain convolutions: an independent implementation agrees."""
    from speechbrain.lobes.models.HifiGAN import HifiganGenerator

    reference = HifiganGenerator(
        in_channels=80,
        out_channels=1,
        resblock_type="2",
        resblock_dilation_sizes=[[1, 2], [2, 6], [3, 12]],
        resblock_kernel_sizes=[3, 5, 7],
        upsample_kernel_sizes=[16, 16, 8],
        upsample_initial_channel=256,
        upsample_factors=[8, 8, 4],
        inference_padding=0,
    ).eval()
    reference.remove_weight_norm()
    config = HifiganConfig(**GENERATOR_PRESETS["v3"], **SMALL)
    ours = build_generator(AudioConfig(), ContentConfig(), config, 5, 6).fold_weight_norm()
    state = {}
    for name, value in reference.state_dict().items():
        name = name.replace(".conv.", ".").replace("conv_pre", "pre").replace("conv_post", "post")
        name = name.replace("ups.", "stages.").replace(".convs.", ".dilated.")
        parts = name.split(".")
        if parts[0] == "stages":
            parts.insert(2, "up")
        elif parts[0] == "resblocks":
            stage, field = divmod(int(parts[1]), 3)
            parts[:2] = ["stages", str(stage), "fields", str(field)]
        state[".".join(parts)] = value
    missing, extra = ours.load_state_dict(state, strict=False)
    assert not extra
    assert all(n.startswith("condition.") or "film" in n for n in missing)
    mel = torch.randn(1, 80, 50) - 4
    with torch.no_grad():
        difference = ours(mel, torch.randn(1, 5), torch.randn(1, 6)) - reference(mel)
    assert difference[..., 14 * 256 : -14 * 256].abs().max() <= 1e-5
