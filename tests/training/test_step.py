"""One training step: every network moves, and what is not finite stops it."""

import math

import pandas as pd
import pytest
import torch
from helpers import beside, segments_of

from thesis_lib.audio.mel import LogMel
from thesis_lib.config import Config
from thesis_lib.runs.folder import Run
from thesis_lib.training import NonFinite, State, TrainingError, step, train_step
from thesis_lib.training.segments import Batch, Segments, Steps


def test_training_moves_every_network_and_logs_every_step(tiny_run, parts):
    state, data = parts
    before = {n: p.clone() for n, p in state.generator.named_parameters()}
    rows = [train_step(state, [data.batch(number)]) for number in range(4)]
    assert "adversarial" not in rows[1]
    assert {"mel", "adversarial", "feature_matching", "discriminator", "generator_norm"} <= set(rows[2])
    assert all(math.isfinite(value) for row in rows for value in row.values())
    moved = [n for n, p in state.generator.named_parameters() if not torch.equal(p, before[n])]
    assert any("affine" in n for n in moved)
    assert any(n.startswith("condition.speaker.") for n in moved), "the speaker embedding's path learns"
    assert any(n.startswith("condition.emotion.") for n in moved), "the emotion embedding's path learns"
    log = pd.read_json(tiny_run.path / "resynthesis" / "metrics.jsonl", lines=True)
    assert list(log.step) == [0, 1, 2, 3, 4]
    assert log.validation_mel.notna().sum() == 3


def test_the_mel_loss_falls():
    """Twenty steps on one batch: a training loop that does not learn would show here."""
    config = Config.from_profile("smoke").override(
        {"resynthesis.training.adversarial_from": 99, "resynthesis.training.learning_rate": 1e-3}
    )
    wav = 0.3 * torch.sin(torch.arange(8192) * 0.05)[None, None]
    batch = Batch(wav, LogMel(config.audio)(wav[:, 0]), torch.randn(1, 5), torch.randn(1, 6), ["one"])
    state = State.create(config, "resynthesis", batch)
    values = [train_step(state, [batch])["mel"] for _ in range(20)]
    assert values[-1] < 0.8 * values[0]


def test_the_generators_step_leaves_no_gradient_in_the_discriminator(parts, monkeypatch):
    state, data = parts
    state.step = state.recipe.training.adversarial_from
    seen, original = {}, step._update

    def spy(state, name, *more):
        found = original(state, name, *more)
        seen[name] = [p.grad.clone() for p in state.discriminator.parameters() if p.grad is not None]
        return found

    monkeypatch.setattr(step, "_update", spy)
    train_step(state, [data.batch(0)])
    assert seen["discriminator"]
    assert all(torch.equal(a, b) for a, b in zip(seen["discriminator"], seen["generator"], strict=True))


def test_a_weight_of_zero_switches_a_loss_off(parts):
    state, data = parts
    state.step = state.recipe.training.adversarial_from
    losses = state.recipe.losses.model_copy(update={"adversarial": 0.0, "feature_matching": 0.0})
    state.recipe = state.recipe.model_copy(update={"losses": losses})
    found = train_step(state, [data.batch(0)])
    assert set(found) == {"mel", "generator_norm", "generator_norm_clipped", "generator_rate"}


def test_a_loss_that_is_not_finite_stops_with_the_names(parts):
    state, data = parts
    batch = data.batch(0)
    batch.wav[:] = math.nan
    before = [p.clone() for p in state.generator.parameters()]
    with pytest.raises(NonFinite, match=batch.ids[0]):
        train_step(state, [batch])
    assert all(torch.equal(p, b) for p, b in zip(state.generator.parameters(), before, strict=True))


def test_a_gradient_that_is_not_finite_stops_too(parts):
    """A finite loss with an infinite slope, as the square root has at zero."""
    state, data = parts
    state.losses["mel"] = lambda estimate, reference: (0 * estimate).sum().sqrt()
    with pytest.raises(NonFinite, match="the generator gradient is"):
        train_step(state, [data.batch(0)])


@pytest.mark.weights("ecapa")
def test_the_speaker_loss_begins_when_told_and_reaches_the_generator(tiny_run, tmp_path):
    changes = {
        "encoders__speaker": "ecapa",
        "conversion__losses__speaker": 5.0,
        "conversion__training__auxiliary_from": 1,
    }
    run = beside(tiny_run, tmp_path / "run", **changes)
    data = segments_of(run, "conversion", "train")
    state = State.create(run.config, "conversion", data)
    before = {name: value.clone() for name, value in state.losses["speaker"].encoder.state_dict().items()}
    rows = [train_step(state, [data.batch(number)]) for number in range(2)]
    assert "speaker" not in rows[0]
    assert 0 < rows[1]["speaker"] < 2
    after = state.losses["speaker"].encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before), "the encoder is untouched"


def test_accumulated_batches_equal_one_large_batch(tiny_run):
    """Two batches of two are one of four, but for spectral norm: its estimate moves with every forward pass."""

    def after(**changes):
        keys = {f"resynthesis.training.{key}": value for key, value in changes.items()}
        config = tiny_run.config.override(keys | {"resynthesis.discriminator.scales": 0})
        run = Run.__new__(Run)
        run.path, run.config = tiny_run.path, config
        data = Segments(run, "resynthesis", "train")
        state = State.create(config, "resynthesis", data)
        state.step = 2
        found = train_step(state, Steps(data)[2])
        return state, found

    (one, large), (two, small) = after(batch_size=4), after(batch_size=2, accumulate=2)
    assert large.keys() == small.keys()
    assert large == pytest.approx(small, rel=1e-4)
    for name in ("generator", "discriminator"):
        pairs = zip(getattr(one, name).parameters(), getattr(two, name).parameters(), strict=True)
        assert all((a.grad is None) == (b.grad is None) for a, b in pairs)
        pairs = zip(getattr(one, name).parameters(), getattr(two, name).parameters(), strict=True)
        assert all(torch.allclose(a.grad, b.grad, rtol=1e-3, atol=1e-6) for a, b in pairs if a.grad is not None)


def test_adversarial_losses_are_computed_in_float32(tiny_run):
    """(300 - 1)^2 is above float16's largest number."""
    data = Segments(tiny_run, "resynthesis", "train")
    state = State.create(tiny_run.config, "resynthesis", data)
    state.step = state.recipe.training.adversarial_from

    def in_float16(module, given, found):
        scores, features = found
        return [(score * 0 + 300).half() for score in scores], [[layer.half() for layer in part] for part in features]

    state.discriminator.register_forward_hook(in_float16)
    row = train_step(state, [data.batch(0)])
    count = len(state.discriminator.parts)
    assert row["adversarial"] == pytest.approx(count * 299**2, rel=1e-3)
    assert row["discriminator"] == pytest.approx(count * (299**2 + 300**2), rel=1e-3)


def test_a_step_without_a_loss_is_a_training_error(tiny_run):
    data = Segments(tiny_run, "resynthesis", "train")
    state = State.create(tiny_run.config, "resynthesis", data)
    state.losses.clear()
    with pytest.raises(TrainingError, match="step 0: no loss is active"):
        train_step(state, [data.batch(0)])
