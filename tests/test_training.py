import json
import math

import pandas as pd
import pytest
import torch
from conftest import beside

from thesis_lib import checkpoints, training
from thesis_lib.audio import LogMel
from thesis_lib.checkpoints import CheckpointError
from thesis_lib.config import TASKS, Config, HifiganConfig, LossConfig
from thesis_lib.dataset import Batch, Segments
from thesis_lib.synthesis import Vocoder
from thesis_lib.training import State, TrainingError, gradient_norms, signal_losses, train, train_step


@pytest.fixture
def parts(tiny_run):
    """Fresh state and data of the tiny run."""
    data = Segments(tiny_run, "resynthesis", "train")
    return State.create(tiny_run.config, "resynthesis", data), data, tiny_run.config.resynthesis


def test_training_moves_every_network_and_logs_every_step(tiny_run, parts):
    state, data, recipe = parts
    before = {n: p.clone() for n, p in state.generator.named_parameters()}
    rows = [train_step(state, data.batch(step), recipe) for step in range(4)]
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
    values = [train_step(state, batch, config.resynthesis)["mel"] for _ in range(20)]
    assert values[-1] < 0.8 * values[0]


def test_the_generators_step_leaves_no_gradient_in_the_discriminator(parts):
    state, data, recipe = parts
    state.step = recipe.training.adversarial_from
    seen = {}
    original = training._update

    def spy(state, name, loss, clip_norm, batch):
        norm = original(state, name, loss, clip_norm, batch)
        seen[name] = [p.grad.clone() for p in state.discriminator.parameters() if p.grad is not None]
        return norm

    training._update, saved = spy, training._update
    try:
        train_step(state, data.batch(0), recipe)
    finally:
        training._update = saved
    assert seen["discriminator"]
    assert all(torch.equal(a, b) for a, b in zip(seen["discriminator"], seen["generator"], strict=True))


def test_a_weight_of_zero_switches_a_loss_off(parts):
    state, data, recipe = parts
    state.step = recipe.training.adversarial_from
    losses = recipe.losses.model_copy(update={"adversarial": 0.0, "feature_matching": 0.0})
    off = recipe.model_copy(update={"losses": losses})
    assert set(train_step(state, data.batch(0), off)) == {"mel", "generator_norm"}


@pytest.mark.parametrize("task", TASKS)
def test_two_steps_and_two_more_equal_four(tiny_run, tmp_path, monkeypatch, task):
    """Killed after step 2 and resumed: every tensor, both optimizers, the schedulers and the log agree."""
    whole = beside(tiny_run, tmp_path / "whole", **{f"{task}__training__decay_every": 1})
    train(whole, task)
    cut = beside(tiny_run, tmp_path / "cut", **{f"{task}__training__decay_every": 1})
    original, steps = training.train_step, []

    def dies(state, batch, recipe):
        steps.append(state.step)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return original(state, batch, recipe)

    monkeypatch.setattr(training, "train_step", dies)
    with pytest.raises(KeyboardInterrupt):
        train(cut, task)
    assert not (cut.path / task / "vocoder").exists()
    monkeypatch.setattr(training, "train_step", original)
    train(cut, task)
    for name in ("step-00000002", "step-00000004"):
        (one, meta), (other, meta_cut) = (checkpoints.load(r.path / task / "checkpoints" / name) for r in (whole, cut))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[k], other[k]) for k in one)
        assert (meta["schedulers"], meta["optimizers"]) == (meta_cut["schedulers"], meta_cut["optimizers"])

    def log(run):
        return [
            {k: v for k, v in json.loads(line).items() if k != "seconds"}
            for line in open(run.path / task / "metrics.jsonl")
        ]

    assert log(whole) == log(cut)


def test_a_loss_that_is_not_finite_stops_with_the_names(parts):
    state, data, recipe = parts
    batch = data.batch(0)
    batch.wav[:] = math.nan
    before = [p.clone() for p in state.generator.parameters()]
    with pytest.raises(TrainingError, match=batch.ids[0]):
        train_step(state, batch, recipe)
    assert all(torch.equal(p, b) for p, b in zip(state.generator.parameters(), before, strict=True))


def test_the_time_budget_ends_training_and_says_so(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run", resynthesis__training__steps=1000, resynthesis__training__max_minutes=0.01)
    vocoder = train(run, "resynthesis")
    assert vocoder.meta["stopped_by"] == "max_minutes"
    assert 0 < vocoder.meta["steps"] < 1000
    assert train(run, "resynthesis").meta == vocoder.meta, "a finished training is not done again"


def test_a_damaged_checkpoint_is_named(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    checkpoints.save(
        checkpoints.step_folder(run.path / "resynthesis" / "checkpoints", 2), {"a": torch.zeros(1)}, {"step": 2}
    )
    (run.path / "resynthesis" / "checkpoints" / "step-00000002" / "model.safetensors").write_bytes(b"xx")
    with pytest.raises(CheckpointError, match="step-00000002"):
        train(run, "resynthesis")


@pytest.mark.weights("hifigan-universal")
@pytest.mark.slow
def test_the_warm_start_begins_as_the_published_vocoder(tiny_run):
    changes = {"training.warm_start": "hifigan-universal", "generator": HifiganConfig().model_dump()}
    changes["generator"] |= {"fusion_dim": 32, "condition_dim": 32}
    config = tiny_run.config.override({f"resynthesis.{key}": value for key, value in changes.items()})
    data = Segments(tiny_run, "resynthesis", "train")
    state, batch = State.create(config, "resynthesis", data), data.batch(0)
    published = Vocoder.from_pretrained("hifigan-universal")
    with torch.no_grad():
        ours = state.generator(batch.content, batch.speaker, batch.emotion).squeeze(1)
    assert (ours - published(batch.content)).abs().max() < 1e-5


@pytest.mark.weights("ecapa")
def test_the_speaker_loss_begins_when_told_and_reaches_the_generator(tiny_run, tmp_path):
    changes = {
        "encoders__speaker": "ecapa",
        "conversion__losses__speaker": 5.0,
        "conversion__training__auxiliary_from": 1,
    }
    run = beside(tiny_run, tmp_path / "run", **changes)
    data = Segments(run, "conversion", "train")
    state = State.create(run.config, "conversion", data)
    before = {name: value.clone() for name, value in state.losses["speaker"].encoder.state_dict().items()}
    rows = [train_step(state, data.batch(step), run.config.conversion) for step in range(2)]
    assert "speaker" not in rows[0]
    assert 0 < rows[1]["speaker"] < 2
    after = state.losses["speaker"].encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before), "the encoder is untouched"


@pytest.mark.parametrize(("loss", "says"), [("speaker", "tiny-test-encoder"), ("emotion", "egemaps")])
def test_an_encoder_without_gradient_is_refused_for_a_loss(tiny_run, loss, says):
    config = tiny_run.config.override({f"conversion.losses.{loss}": 1.0})
    with pytest.raises(TrainingError, match=f"{says} has no gradient"):
        signal_losses(config, config.conversion.losses)


def test_every_weight_of_a_signal_loss_makes_one(tiny_run):
    names = ("mel", "multi_scale_mel", "stft", "temporal")
    for name in names:
        weights = LossConfig(**{other: float(other == name) for other in names})
        (made,) = signal_losses(tiny_run.config, weights).items()
        assert made[0] == name
        wavs = 0.1 * torch.randn(2, 1, 8192)
        assert float(made[1](*wavs)) > 0


@pytest.mark.parametrize("task", TASKS)
def test_every_signal_loss_moves_the_trained_generator(tiny_run, task):
    norms = gradient_norms(tiny_run, task)
    assert set(norms) == {"mel", "multi_scale_mel", "stft", "temporal"}, "the tiny test encoder has no gradient"
    assert all(value > 0 for value in norms.values())
