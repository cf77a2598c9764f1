import json
import math
import shutil

import pandas as pd
import pytest
import torch

from thesis_lib import checkpoints, training
from thesis_lib.checkpoints import CheckpointError
from thesis_lib.dataset import Segments, embedded, prepared
from thesis_lib.runs import Run
from thesis_lib.synthesis import Vocoder
from thesis_lib.training import State, TrainingError, train, train_step


@pytest.fixture
def parts(tiny_run):
    """Fresh state and data of the tiny run."""
    embeddings = embedded(tiny_run)
    data = Segments(prepared(tiny_run), embeddings, "train", tiny_run.config)
    return State.create(tiny_run.config, embeddings, data), data, tiny_run.config


def beside(tiny_run, path, **changes) -> Run:
    """Another run on the same prepared corpus and embeddings."""
    run = Run(path, tiny_run.config.override({k.replace("__", "."): v for k, v in changes.items()}))
    for name in ("corpus", "embeddings"):
        shutil.copytree(tiny_run.path / name, run.path / name)
    return run


def test_training_moves_every_network_and_logs_every_step(tiny_run, parts):
    state, data, config = parts
    before = {n: p.clone() for n, p in state.generator.named_parameters()}
    rows = [train_step(state, data.batch(step), config) for step in range(4)]
    assert "adversarial" not in rows[1]
    assert {"mel", "adversarial", "feature_matching", "discriminator", "generator_norm"} <= set(rows[2])
    assert all(math.isfinite(value) for row in rows for value in row.values())
    moved = [n for n, p in state.generator.named_parameters() if not torch.equal(p, before[n])]
    assert any("affine" in n for n in moved)
    assert any(n.startswith("condition.speaker.") for n in moved), "the speaker embedding's path learns"
    assert any(n.startswith("condition.emotion.") for n in moved), "the emotion embedding's path learns"
    log = pd.read_json(tiny_run.path / "metrics.jsonl", lines=True)
    assert list(log.step) == [0, 1, 2, 3, 4]
    assert log.validation_mel.notna().sum() == 3


def test_the_mel_loss_falls():
    """Twenty steps on one batch: a training loop that does not learn would show here."""
    from thesis_lib.audio import LogMel
    from thesis_lib.config import Config
    from thesis_lib.dataset import Batch, Embeddings

    config = Config.from_profile("smoke").override({"training.adversarial_from": 99, "training.learning_rate": 1e-3})
    wav = 0.3 * torch.sin(torch.arange(8192) * 0.05)[None, None]
    mel = LogMel(config.audio)(wav[:, 0])
    batch = Batch(wav, mel, torch.randn(1, 5), torch.randn(1, 6), ["one"])
    embeddings = Embeddings(["one"], "-", "-", {"source": batch.speaker.numpy()}, {"source": batch.emotion.numpy()})
    state = State.create(config, embeddings, batch)
    values = [train_step(state, batch, config)["mel"] for _ in range(20)]
    assert values[-1] < 0.8 * values[0]


def test_the_generators_step_leaves_no_gradient_in_the_discriminator(parts):
    state, data, config = parts
    state.step = config.training.adversarial_from
    seen = {}
    original = training._update

    def spy(state, name, loss, clip_norm, batch):
        norm = original(state, name, loss, clip_norm, batch)
        seen[name] = [p.grad.clone() for p in state.discriminator.parameters() if p.grad is not None]
        return norm

    training._update, saved = spy, training._update
    try:
        train_step(state, data.batch(0), config)
    finally:
        training._update = saved
    assert seen["discriminator"]
    assert all(torch.equal(a, b) for a, b in zip(seen["discriminator"], seen["generator"], strict=True))


def test_a_weight_of_zero_switches_a_loss_off(parts):
    state, data, config = parts
    state.step = config.training.adversarial_from
    off = config.override({"losses.adversarial": 0, "losses.feature_matching": 0})
    assert set(train_step(state, data.batch(0), off)) == {"mel", "generator_norm"}


def test_two_steps_and_two_more_equal_four(tiny_run, tmp_path, monkeypatch):
    """Killed after step 2 and resumed: every tensor, both optimizers, the schedulers and the log agree."""
    whole = beside(tiny_run, tmp_path / "whole", training__decay_every=1)
    train(whole)
    cut = beside(tiny_run, tmp_path / "cut", training__decay_every=1)
    original, steps = training.train_step, []

    def dies(state, batch, config):
        steps.append(state.step)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return original(state, batch, config)

    monkeypatch.setattr(training, "train_step", dies)
    with pytest.raises(KeyboardInterrupt):
        train(cut)
    assert not (cut.path / "vocoder").exists()
    monkeypatch.setattr(training, "train_step", original)
    train(cut)
    for name in ("step-00000002", "step-00000004"):
        (one, meta), (other, meta_cut) = (checkpoints.load(r.path / "checkpoints" / name) for r in (whole, cut))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[k], other[k]) for k in one)
        assert (meta["schedulers"], meta["optimizers"]) == (meta_cut["schedulers"], meta_cut["optimizers"])

    def log(run):
        return [
            {k: v for k, v in json.loads(line).items() if k != "seconds"} for line in open(run.path / "metrics.jsonl")
        ]

    assert log(whole) == log(cut)


def test_a_loss_that_is_not_finite_stops_with_the_names(parts):
    state, data, config = parts
    batch = data.batch(0)
    batch.wav[:] = math.nan
    before = [p.clone() for p in state.generator.parameters()]
    with pytest.raises(TrainingError, match=batch.ids[0]):
        train_step(state, batch, config)
    assert all(torch.equal(p, b) for p, b in zip(state.generator.parameters(), before, strict=True))


def test_the_time_budget_ends_training_and_says_so(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run", training__steps=1000, training__max_minutes=0.01)
    vocoder = train(run)
    assert vocoder.meta["stopped_by"] == "max_minutes"
    assert 0 < vocoder.meta["steps"] < 1000
    assert train(run).meta == vocoder.meta, "a finished training is not done again"


def test_a_damaged_checkpoint_is_named(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    checkpoints.save(checkpoints.step_folder(run.path / "checkpoints", 2), {"a": torch.zeros(1)}, {"step": 2})
    (run.path / "checkpoints" / "step-00000002" / "model.safetensors").write_bytes(b"xx")
    with pytest.raises(CheckpointError, match="step-00000002"):
        train(run)


@pytest.mark.weights("hifigan-universal")
@pytest.mark.slow
def test_the_warm_start_begins_as_the_published_vocoder(tiny_run):
    config = tiny_run.config.override(
        {"training.warm_start": "hifigan-universal", "generator.channels": 512}
        | {"generator.kernel_sizes": (3, 7, 11), "generator.dilations": (1, 3, 5)}
    )
    embeddings = embedded(tiny_run)
    data = Segments(prepared(tiny_run), embeddings, "train", config)
    state, batch = State.create(config, embeddings, data), data.batch(0)
    published = Vocoder.from_pretrained("hifigan-universal")
    with torch.no_grad():
        ours = state.generator(batch.mel, batch.speaker, batch.emotion).squeeze(1)
    assert (ours - published(batch.mel)).abs().max() < 1e-5
