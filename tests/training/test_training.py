import json
import math
import shutil

import pandas as pd
import pytest
import torch
from helpers import beside, log_of, segments_of

from thesis_lib.audio.mel import LogMel
from thesis_lib.config import TASKS, Config, HifiganConfig, LossConfig
from thesis_lib.runs.folder import Run
from thesis_lib.training import (
    NonFinite,
    State,
    TrainingError,
    fabric_of,
    gradient_norms,
    loop,
    signal_losses,
    step,
    train,
    train_step,
)
from thesis_lib.training.segments import Batch, Segments, Steps
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.synthesis import Vocoder


@pytest.fixture
def parts(tiny_run):
    """Fresh state and data of the tiny run."""
    data = Segments(tiny_run, "resynthesis", "train")
    return State.create(tiny_run.config, "resynthesis", data), data


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


def test_a_checkpoint_says_what_made_it(tiny_run):
    _, meta = checkpoints.load(checkpoints.latest(tiny_run.path / "conversion" / "checkpoints"))
    assert meta["config"] == json.loads(tiny_run.config.model_dump_json())
    assert meta["step"] == 4
    assert meta["commit"]
    assert meta["encoders"]["speaker_encoder"].startswith("tiny-test-encoder (")
    assert meta["weights"] == {}, "none are used here"


@pytest.mark.weights("hifigan-universal")
def test_and_which_published_weights_it_rests_on(tiny_run, tmp_path):
    data = Segments(tiny_run, "resynthesis", "train")
    changes = {"training.warm_start": "hifigan-universal", "generator": HifiganConfig().model_dump()}
    config = tiny_run.config.override({f"resynthesis.{key}": value for key, value in changes.items()})
    folder = State.create(config, "resynthesis", data).save(tmp_path / "checkpoint", config)
    assert set(checkpoints.load(folder)[1]["weights"]) == {"hifigan-universal"}


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


@pytest.mark.parametrize("task", TASKS)
def test_a_vocoder_can_start_another_training(tiny_run, task):
    """With its weights, norm and direction apart again, and the statistics that it was trained under."""
    vocoder = train(tiny_run, task)
    folder = tiny_run.path / task / "vocoder"
    config = tiny_run.config.override({f"{task}.training.warm_start": str(folder)})
    data = Segments(tiny_run, task, "validation")
    state, batch = State.create(config, task, data), data.batch(0)
    with torch.no_grad():
        ours = state.generator.eval()(batch.content, batch.speaker, batch.emotion).squeeze(1)
    assert (ours - vocoder(batch.content, batch.speaker, batch.emotion)).abs().max() < 1e-5
    statistics = state.generator.condition.speaker_statistics
    assert torch.equal(statistics.mean, vocoder.generator.condition.speaker_statistics.mean)


def test_a_warm_start_leaves_what_reads_another_encoder_s_embedding(tiny_run, tmp_path):
    """The emotion's projection starts anew, with statistics of its own; the speaker's and the rest go on."""
    other = shutil.copytree(tiny_run.path / "conversion" / "vocoder", tmp_path / "other")
    meta = json.loads((other / "config.json").read_text()) | {"emotion_encoder": "emotion2vec (somewhere)"}
    (other / "config.json").write_text(json.dumps(meta))
    vocoder = Vocoder.from_pretrained(other).generator.condition
    config = tiny_run.config.override({"conversion.training.warm_start": str(other)})
    started = State.create(config, "conversion", Segments(tiny_run, "conversion", "train")).generator.condition
    assert torch.equal(started.speaker.weight, vocoder.speaker.weight)
    assert torch.equal(started.fuse[0].weight, vocoder.fuse[0].weight)
    assert not torch.equal(started.emotion.weight, vocoder.emotion.weight)


def test_another_kind_of_vocoder_cannot_start_it(tiny_run):
    train(tiny_run, "resynthesis")
    folder = tiny_run.path / "resynthesis" / "vocoder"
    for changes in ({"conversion.training.warm_start": str(folder)}, {"conversion.training.warm_start": "nowhere"}):
        with pytest.raises(CheckpointError, match="nowhere|cannot start this training"):
            State.create(tiny_run.config.override(changes), "conversion", Segments(tiny_run, "conversion", "train"))
    changes = {"resynthesis.training.warm_start": str(folder), "resynthesis.generator.channels": 64}
    with pytest.raises(CheckpointError, match="cannot start this training") as error:
        State.create(tiny_run.config.override(changes), "resynthesis", Segments(tiny_run, "resynthesis", "train"))
    assert "\n" not in str(error.value)


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


def test_tensorboard_holds_scalars_sound_and_pictures(tiny_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tiny_run.path / "conversion" / "tensorboard")).Reload()
    logged = [row["generator_norm"] for row in log_of(tiny_run, "conversion")[1:]]
    assert [event.value for event in events.Scalars("generator_norm")] == pytest.approx(logged)
    assert {event.step for event in events.Images("estimate, log-mel")} == {0, 2, 4}
    assert {event.step for event in events.Audio("estimate")} == {0, 2, 4}


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


def test_float16_is_refused_on_a_cpu(tiny_run):
    training = tiny_run.config.resynthesis.training.model_copy(update={"precision": "16-mixed"})
    with pytest.raises(TrainingError, match="needs a GPU"):
        fabric_of(training, accelerator="cpu")


def test_a_batch_that_the_devices_cannot_share_is_refused(tiny_run):
    training = tiny_run.config.resynthesis.training.model_copy(update={"batch_size": 3})
    with pytest.raises(TrainingError, match="cannot be shared by 2"):
        fabric_of(training, devices=2, accelerator="cpu")


def test_the_callers_random_numbers_are_left_alone(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    Segments(run, "resynthesis", "train")  # what is drawn on the way there is not the training's
    state = torch.get_rng_state()
    train(run, "resynthesis")
    assert torch.equal(torch.get_rng_state(), state)
