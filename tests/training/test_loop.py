"""The training loop: checkpoints, the best of them, when it stops, and what it logs."""

import json
import math
import shutil

import pytest
import torch
from helpers import beside, log_of, segments_of

from thesis_lib.training import NonFinite, State, loop, train, train_step
from thesis_lib.training.monitor import TrainingWarning
from thesis_lib.training.segments import Segments
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.checkpoints import CheckpointError


def poisoned(monkeypatch, steps):
    """The training's batches at these steps hold no numbers."""
    original = loop.train_step

    def broken(state, batches):
        if state.step in steps:
            batches[0].wav[:] = math.nan
        return original(state, batches)

    monkeypatch.setattr(loop, "train_step", broken)


def test_stopping_leaves_the_state_and_names_the_files(tiny_run, tmp_path, monkeypatch):
    run = beside(tiny_run, tmp_path / "run")
    poisoned(monkeypatch, {3})
    with pytest.raises(NonFinite, match=r"step 3: .* the batch was .*; the state is in .*failed"):
        train(run, "resynthesis")
    _, meta = checkpoints.load(run.path / "resynthesis" / "failed")
    assert meta["step"] == 3
    assert "the batch was" in meta["error"]
    monkeypatch.undo()
    assert train(run, "resynthesis").meta["steps"] == 4, "repaired, it continues from the last checkpoint"


def test_skipping_counts_and_goes_on(tiny_run, tmp_path, monkeypatch):
    run = beside(tiny_run, tmp_path / "run", resynthesis__training__non_finite="skip")
    poisoned(monkeypatch, {1, 2})
    vocoder = train(run, "resynthesis")
    assert (vocoder.meta["steps"], vocoder.meta["skipped_steps"]) == (4, 2)
    assert [row.get("skipped") for row in log_of(run, "resynthesis")] == [None, None, 1, 2, None]
    assert all(p.isfinite().all() for p in vocoder.generator.parameters())


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


def test_the_average_follows_the_generator_and_is_what_is_kept(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run", resynthesis__training__ema_decay=0.5)
    kept = train(run, "resynthesis").generator.state_dict()
    tensors, _ = checkpoints.load(checkpoints.latest(run.path / "resynthesis" / "checkpoints"))
    name = "head.bias" if "head.bias" in kept else "post.bias"
    average, last = tensors[f"average.module.{name}"], tensors[f"generator.{name}"]
    assert torch.equal(kept[name], average)
    assert not torch.equal(average, last)


def test_the_rate_is_clipped_scheduled_and_logged(tiny_run, tmp_path):
    changes = {"schedule": "cosine", "warmup_steps": 2, "clip_norm": 1e-3, "checkpoint_every": 4}
    run = beside(tiny_run, tmp_path / "run", **{f"resynthesis__training__{k}": v for k, v in changes.items()})
    train(run, "resynthesis")
    rows = log_of(run, "resynthesis")[1:]
    rate = run.config.resynthesis.training.learning_rate
    assert [row["generator_rate"] / rate for row in rows] == pytest.approx([0.5, 1, 1, 0.5])
    assert [row.get("discriminator_rate", 0) / rate for row in rows] == pytest.approx([0, 0, 0.5, 1])
    assert all(row["generator_norm"] > row["generator_norm_clipped"] == 1e-3 for row in rows)


@pytest.mark.parametrize(("export", "expected"), [("last", 4), ("best", 2)])
def test_the_best_checkpoint_is_kept_and_can_become_the_vocoder(tiny_run, tmp_path, monkeypatch, export, expected):
    changes = {"export": export, "keep": 1, "checkpoint_every": 1}
    run = beside(tiny_run, tmp_path / "run", **{f"resynthesis__training__{k}": v for k, v in changes.items()})
    values = iter([0.9, 0.8, 0.2, 0.7, 0.6])
    monkeypatch.setattr(loop, "validate_on", lambda *_: {"validation_mel": next(values)})
    assert train(run, "resynthesis").meta["steps"] == expected
    kept = sorted(path.name for path in (run.path / "resynthesis" / "checkpoints").iterdir())
    assert kept == ["step-00000002", "step-00000004"]


def test_conditioning_sensitivity_can_select_the_best_checkpoint(tiny_run, tmp_path, monkeypatch):
    changes = {"export": "best", "best_by": "conditioning_sensitivity", "keep": 1, "checkpoint_every": 1}
    run = beside(tiny_run, tmp_path / "run", **{f"resynthesis__training__{k}": v for k, v in changes.items()})
    values = iter([0.0, 0.1, 0.2, 0.5, 0.4])
    monkeypatch.setattr(
        loop, "validate_on", lambda *_: {"validation_mel": 1.0, "conditioning_sensitivity": next(values)}
    )
    assert train(run, "resynthesis").meta["steps"] == 3


def test_training_stops_when_it_no_longer_improves(tiny_run, tmp_path, monkeypatch):
    changes = {"patience": 2, "checkpoint_every": 1, "steps": 9}
    run = beside(tiny_run, tmp_path / "run", **{f"resynthesis__training__{k}": v for k, v in changes.items()})
    values = iter([0.1, 0.9, 0.5, 0.6, 0.4, 0.4, 0.7, 0.1])  # the first is that of step 0, which does not count
    monkeypatch.setattr(loop, "validate_on", lambda *_: {"validation_mel": next(values)})
    meta = train(run, "resynthesis").meta
    assert (meta["steps"], meta["stopped_by"]) == (6, "patience")
    shutil.rmtree(run.path / "resynthesis" / "vocoder")
    assert train(run, "resynthesis").meta["steps"] == 6, "begun again, it remembers that it was out of patience"


def test_workers_prepare_the_same_batches(tiny_run, tmp_path):
    losses = []
    for workers in (0, 2):
        run = beside(tiny_run, tmp_path / str(workers), conversion__training__workers=workers)
        train(run, "conversion")
        losses.append([row.get("multi_scale_mel") for row in log_of(run, "conversion")])
    assert losses[0] == losses[1]


def test_bfloat16_trains_and_leaves_the_pitch_as_it_is(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run", conversion__training__precision="bf16-mixed")
    train(run, "conversion")
    first, exact = (log_of(r, "conversion")[1]["multi_scale_mel"] for r in (run, tiny_run))
    assert first != exact
    assert first == pytest.approx(exact, rel=0.02)
    data = Segments(run, "conversion", "train")
    state, batch = State.create(run.config, "conversion", data), data.batch(0)
    seen = []
    state.generator.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    train_step(state, [batch])
    assert seen == [torch.float32]


def test_the_callers_random_numbers_are_left_alone(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    Segments(run, "resynthesis", "train")  # what is drawn on the way there is not the training's
    state = torch.get_rng_state()
    train(run, "resynthesis")
    assert torch.equal(torch.get_rng_state(), state)


def test_a_score_of_nan_never_becomes_the_best(tiny_run, tmp_path, monkeypatch):
    changes = {"export": "best", "keep": 1, "checkpoint_every": 1}
    run = beside(tiny_run, tmp_path / "run", **{f"resynthesis__training__{k}": v for k, v in changes.items()})
    values = iter([0.9, math.nan, 0.2, math.nan, 0.6])
    monkeypatch.setattr(loop, "validate_on", lambda *_: {"validation_mel": next(values)})
    with pytest.warns(TrainingWarning, match="validation_mel is nan at step 1"):
        vocoder = train(run, "resynthesis")
    assert vocoder.meta["steps"] == 2
    assert vocoder.meta["stopped_by"] == "steps", "the training's end, not the best checkpoint's"
    _, meta = checkpoints.load(checkpoints.latest(run.path / "resynthesis" / "checkpoints"))
    assert meta["best"] == 0.2


def test_conditioning_sensitivity_is_measured_with_a_batch_of_one(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run", conversion__training__batch_size=1)
    batch = segments_of(run, "conversion", "validation").batch(0)
    speaker, emotion = loop._other_condition(batch, segments_of(run, "conversion", "validation"))
    assert not torch.equal(speaker, batch.speaker)
    assert not torch.equal(emotion, batch.emotion)


def test_the_log_holds_the_vocoder_s_inputs(tiny_run):
    """The record of the stage "train" is beside its outputs."""
    inputs = json.loads((tiny_run.path / "conversion" / "provenance.json").read_text())["inputs"]
    assert inputs["speaker encoder"].startswith("tiny-test-encoder (")
    assert inputs["conversion.losses.multi_scale_mel"] == tiny_run.config.conversion.losses.multi_scale_mel
