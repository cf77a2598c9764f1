"""No dead loss: every auxiliary loss moves the generator, by the right gradient, and leaves its encoder alone.

`python -m benchmarks mutants` breaks the losses and the training step in many ways and runs this file against each:
every mutant must be caught.
"""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from thesis_lib.config import AudioConfig, Config, ContentConfig
from thesis_lib.losses import (
    EmbeddingConsistency,
    MelLoss,
    MultiScaleMel,
    TemporalConsistency,
    multi_resolution_stft_loss,
)
from thesis_lib.training import State, train_step
from thesis_lib.training.segments import Batch
from thesis_lib.vocoder.generators import build_generator

AUDIO = AudioConfig()
SAMPLES = 4096


class SmallEncoder(nn.Module):
    """An encoder with batch statistics, dropout and another sample rate."""

    name, sample_rate, dim = "small", 16_000, 24

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv = nn.Conv1d(1, 16, 64, 32)
        self.norm = nn.BatchNorm1d(16)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(16, self.dim, bias=False)
        self.lengths = []
        nn.init.normal_(self.norm.running_mean, -6.0)

    def forward(self, wav):
        self.lengths.append(wav.shape[-1])
        powers = torch.log(self.conv(wav.unsqueeze(1)).pow(2).mean(-1) + 1e-6)
        return self.out(self.drop(self.norm(powers)))


def make(name):
    return {
        "mel": lambda: MelLoss(AUDIO),
        "multi_scale_mel": lambda: MultiScaleMel(AUDIO),
        "stft": lambda: multi_resolution_stft_loss,
        "temporal": lambda: TemporalConsistency(AUDIO),
        "speaker": lambda: EmbeddingConsistency(SmallEncoder(), AUDIO.sample_rate),
        "speaker, mse": lambda: EmbeddingConsistency(SmallEncoder(), AUDIO.sample_rate, "mse"),
    }[name]()


LOSSES = ("mel", "multi_scale_mel", "stft", "temporal", "speaker", "speaker, mse")


def signals(seed=0, batch=2):
    """Two different, speech-like enough signals (B, N)."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.arange(SAMPLES) / AUDIO.sample_rate
    buzz = sum(torch.sin(2 * torch.pi * k * (140 + 60 * seed) * t) / k for k in range(1, 8))
    return 0.1 * buzz * (1 + 0.3 * torch.sin(40 * t)) + 0.02 * torch.randn(batch, SAMPLES, generator=generator)


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_agrees_with_finite_differences(name):
    """Central differences in double precision, along the gradient and along random directions."""
    loss = make(name)
    if isinstance(loss, nn.Module):
        loss = loss.double()
    estimate, reference = signals(0).double().requires_grad_(), signals(1).double()
    gradient = torch.autograd.grad(loss(estimate, reference), estimate)[0]
    assert gradient.abs().max() > 0
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(3, *estimate.shape, generator=generator, dtype=torch.float64)
    for direction in (gradient / gradient.norm(), *(n / n.norm() for n in noise)):
        expected = float((gradient * direction).sum())
        step = 1e-8
        with torch.no_grad():
            above, below = (float(loss(estimate + sign * step * direction, reference)) for sign in (1, -1))
        assert (above - below) / (2 * step) == pytest.approx(expected, rel=1e-3, abs=1e-3 * float(gradient.norm()))


@pytest.mark.parametrize("name", LOSSES)
def test_it_vanishes_for_identical_signals_and_not_for_others(name):
    loss, one, other = make(name), signals(0), signals(1)
    assert abs(float(loss(one, one.clone()))) < 1e-6
    assert float(loss(one, other)) > 1e-4


@pytest.mark.parametrize("name", LOSSES)
def test_it_falls_when_followed(name):
    """A small step of the estimate against the gradient lowers the loss."""
    loss = make(name)
    estimate, reference = signals(0).requires_grad_(), signals(1)
    before = loss(estimate, reference)
    (gradient,) = torch.autograd.grad(before, estimate)
    after = loss(estimate - 1e-4 * gradient / gradient.norm(), reference)
    assert float(after.detach()) < float(before.detach())


@pytest.mark.parametrize("name", LOSSES)
def test_the_loss_has_a_gradient_in_the_estimate_and_the_target_embedding_has_none(name):
    """The estimate is the first argument: its gradient is not zero."""
    loss = make(name)
    estimate, reference = signals(0).requires_grad_(), signals(1).requires_grad_()
    loss(estimate, reference).backward()
    assert estimate.grad.abs().max() > 0
    if "speaker" in name:
        assert reference.grad is None, "the target embedding is a constant"


@pytest.mark.parametrize("distance", ["cosine", "mse"])
def test_the_encoder_gets_its_own_rate_in_eval_mode_and_stays_as_it_was(distance):
    encoder = SmallEncoder()
    encoder.train()
    before = copy.deepcopy(encoder.state_dict())
    loss = EmbeddingConsistency(encoder, AUDIO.sample_rate, distance)
    loss.train()
    estimate, reference = signals(0).requires_grad_(), signals(1)
    first, second = loss(estimate, reference), loss(estimate, reference)
    assert first.item() == second.item(), "no dropout, no batch statistics"
    first.backward()
    assert all(torch.equal(before[k], v) for k, v in encoder.state_dict().items())
    assert all(p.grad is None for p in encoder.parameters())
    assert set(encoder.lengths) == {-(-SAMPLES * 16_000 // AUDIO.sample_rate)}


def test_consistency_is_one_minus_cosine_of_resampled_signals():
    from torchaudio.functional import resample

    encoder = SmallEncoder()
    loss, (one, other) = EmbeddingConsistency(encoder, AUDIO.sample_rate), (signals(0), signals(1))
    a, b = (encoder(resample(x, AUDIO.sample_rate, 16_000)) for x in (one, other))
    assert float(loss(one, other)) == pytest.approx(1 - float(F.cosine_similarity(a, b).mean()), abs=1e-5)
    mse = EmbeddingConsistency(encoder, AUDIO.sample_rate, "mse")
    difference = F.normalize(a) - F.normalize(b)
    assert float(mse(one, other)) == pytest.approx(float(difference.pow(2).mean()), abs=1e-6)


NAMES = ("mel", "multi_scale_mel", "stft", "temporal", "speaker", "emotion", "adversarial", "feature_matching")


def fresh(batch, **weights):
    """A tiny conversion state at the step where everything has begun; always with the same random weights."""
    config = Config.from_profile("smoke").override(
        {f"conversion.losses.{name}": value for name, value in weights.items() if name not in ("speaker", "emotion")}
        | {"conversion.training.adversarial_from": 1, "conversion.training.auxiliary_from": 1}
        | {"conversion.training.clip_norm": 1e9, "conversion.generator.condition_dropout": 0.0}
    )
    state = State.create(config, "conversion", batch)
    encoders = {name: weights[name] for name in ("speaker", "emotion") if weights.get(name)}
    for name in encoders:
        state.losses[name] = EmbeddingConsistency(SmallEncoder(), AUDIO.sample_rate)
    losses = state.recipe.losses.model_copy(update=encoders)
    state.recipe = state.recipe.model_copy(update={"losses": losses})
    state.step = 1
    return state


@pytest.fixture
def batch():
    torch.manual_seed(0)
    content = torch.randn(2, 27, SAMPLES // 256)
    return Batch(signals(1).unsqueeze(1), content, torch.randn(2, 5), torch.randn(2, 6), ["one", "two"])


def gradients(batch, **weights):
    """The gradients of one training step in the generator; weights left out are zero."""
    state = fresh(batch, **dict.fromkeys(NAMES, 0.0) | weights)
    train_step(state, [batch])
    return {n: p.grad.clone() for n, p in state.generator.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", NAMES)
def test_every_loss_of_the_training_step_reaches_the_generator(batch, name):
    found = gradients(batch, **{name: 1.0})
    assert found["head.weight"].abs().max() > 0
    assert found["blocks.0.film.affine.weight"].abs().max() > 0, "and its condition"


def test_the_training_steps_total_is_the_weighted_sum(batch):
    assert set(NAMES) <= set(train_step(fresh(batch, **dict.fromkeys(NAMES, 1.0)), [batch]))
    parts = [gradients(batch, **{name: 1.0})["head.weight"] for name in ("temporal", "speaker")]
    both = gradients(batch, temporal=2.0, speaker=3.0)["head.weight"]
    assert torch.allclose(both, 2 * parts[0] + 3 * parts[1], rtol=1e-3, atol=1e-7)


def test_the_logged_losses_compare_the_generators_output_with_the_recording(batch):
    state = fresh(batch, **dict.fromkeys(NAMES, 1.0))
    with torch.no_grad():
        estimate = state.generator(batch.content, batch.speaker, batch.emotion).squeeze(1)
        expected = {name: float(loss(estimate, batch.wav.squeeze(1))) for name, loss in state.losses.items()}
    log = train_step(state, [batch])
    for name, value in expected.items():
        assert log[name] == pytest.approx(value, rel=1e-4), name


def test_auxiliary_losses_wait_for_their_step(batch):
    state = fresh(batch, **dict.fromkeys(NAMES, 1.0))
    state.step = 0
    log = train_step(state, [batch])
    assert not {"speaker", "emotion", "adversarial", "feature_matching"} & set(log)
    assert {"mel", "temporal"} <= set(log)


def test_training_with_the_speaker_loss_brings_the_voice_nearer(batch):
    """Some steps with that loss alone: it must fall, or it is dead whatever its gradient looks like."""
    state = fresh(batch, **dict.fromkeys(NAMES, 0.0) | {"speaker": 1.0})
    values = [train_step(state, [batch])["speaker"] for _ in range(15)]
    assert values[-1] < 0.85 * values[0]


def test_a_band_limited_batch_trains_its_band_alone(batch):
    """Recording and estimate are low-passed alike: a change of the recording above the cutoff changes no gradient."""
    tone = 0.1 * torch.sin(2 * torch.pi * 0.4375 * torch.arange(SAMPLES))  # whole periods
    for name in ("stft", "multi_scale_mel", "feature_matching"):
        changes = []
        for cutoff in (torch.full((2,), 0.25), None):
            given = dataclasses.replace(batch, cutoff=cutoff)
            other = dataclasses.replace(given, wav=batch.wav + tone)
            one, two = (gradients(each, **{name: 1.0})["head.weight"] for each in (given, other))
            changes.append(float((one - two).norm() / one.norm()))
        limited, whole = changes
        assert limited < 1e-2 < 1e-1 < whole, name


@pytest.mark.weights("ecapa")
def test_ecapas_gradient_reaches_the_generator_and_agrees_with_finite_differences():
    """The real encoder behind its real resampling: float32, so the tolerance is wider."""
    from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn

    encoder = EcapaTdnn()
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    loss = EmbeddingConsistency(encoder, AUDIO.sample_rate)
    torch.manual_seed(0)
    config = Config.from_profile("smoke").conversion.generator
    generator = build_generator(AUDIO, ContentConfig(kind="envelope"), config, 5, 6)
    estimate = generator(torch.randn(1, 27, 40), torch.randn(1, 5), torch.randn(1, 6)).squeeze(1)
    loss(estimate, 0.1 * torch.randn(1, 40 * 256)).backward()
    assert generator.head.weight.grad.abs().max() > 0
    wav = signals(0, batch=1).repeat(1, 2).requires_grad_()
    reference = signals(1, batch=1).repeat(1, 2)
    (gradient,) = torch.autograd.grad(loss(wav, reference), wav)
    direction, step = gradient / gradient.norm(), 3e-3
    with torch.no_grad():
        above, below = (float(loss(wav + sign * step * direction, reference)) for sign in (1, -1))
    assert (above - below) / (2 * step) == pytest.approx(float(gradient.norm()), rel=1e-2)
    assert all(torch.equal(before[k], v) for k, v in encoder.state_dict().items())


def test_emotion2vecs_gradient_reaches_the_waveform(emotion2vec_folder):
    from thesis_lib.embeddings.encoders.emotion2vec import Emotion2vec

    loss = EmbeddingConsistency(Emotion2vec(emotion2vec_folder), AUDIO.sample_rate)
    wav = signals(0).repeat(1, 2).requires_grad_()
    value = loss(wav, signals(1).repeat(1, 2))
    value.backward()
    assert value > 0
    assert np.isfinite(wav.grad).all()
    assert wav.grad.abs().max() > 0
