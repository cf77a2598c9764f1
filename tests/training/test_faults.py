"""Faults of training that must not come back: precision, losses, scores, minutes, workers, batches of one."""

import json
import math
import pickle
import shutil

import pytest
import torch
from helpers import beside, log_of, segments_of
from torch.nn import functional as F
from torch.utils.data import DataLoader

from thesis_lib.audio.files import write_audio
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import State, TrainingError, distillation, loop, speaker_sampling, train, train_step
from thesis_lib.training.clock import SessionClock
from thesis_lib.training.monitor import TrainingWarning
from thesis_lib.training.segments import Segments, Steps
from thesis_lib.training.speaker_sampling import SpeakerSampler
from thesis_lib.vocoder import checkpoints


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


@pytest.mark.parametrize(("begins", "says"), [(2, "steps 0 to 1"), (99, "steps 0 to 3")])
def test_steps_without_a_loss_are_refused_before_training(tiny_run, begins, says):
    changes = {"losses.mel": 0.0, "training.adversarial_from": begins}
    config = tiny_run.config.override({f"resynthesis.{key}": value for key, value in changes.items()})
    with pytest.raises(TrainingError, match=f"no loss is active in {says}: give losses"):
        State.create(config, "resynthesis", Segments(tiny_run, "resynthesis", "train")).check_losses()


def test_a_step_without_a_loss_is_a_training_error(tiny_run):
    data = Segments(tiny_run, "resynthesis", "train")
    state = State.create(tiny_run.config, "resynthesis", data)
    state.losses.clear()
    with pytest.raises(TrainingError, match="step 0: no loss is active"):
        train_step(state, [data.batch(0)])


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


def test_a_best_score_of_nan_in_an_old_checkpoint_is_forgotten(tiny_run, tmp_path):
    state = State.create(tiny_run.config, "resynthesis", Segments(tiny_run, "resynthesis", "train"))
    state.best = math.nan
    state.restore(state.save(tmp_path / "checkpoint", tiny_run.config))
    assert state.best is None


class Time:
    """A clock that only the test moves."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch) -> Time:
    made = Time()
    monkeypatch.setattr("thesis_lib.training.clock.time", made)
    return made


def test_minutes_are_the_wall_clock_time_of_all_sessions(time):
    clock = SessionClock()
    time.now = 5.0
    assert clock.seconds == 5.0
    clock.resume(60.0)
    time.now = 7.0
    assert clock.seconds == 67.0


def test_the_time_budget_counts_loading_validation_and_saving(tiny_run, tmp_path, time, monkeypatch):
    """Steps take no time here: every minute is spent beside them."""
    changes = {"steps": 1000, "max_minutes": 20.0}
    run = beside(tiny_run, tmp_path / "run", **{f"resynthesis__training__{k}": v for k, v in changes.items()})

    def slow(owner, name, minutes):
        original = getattr(owner, name)

        def taking_time(*given, **named):
            time.now += 60 * minutes
            return original(*given, **named)

        monkeypatch.setattr(owner, name, taking_time)

    slow(Segments, "__init__", 4)
    slow(Steps, "__getitem__", 1)
    slow(loop, "validate_on", 2)
    slow(State, "save", 3)
    meta = train(run, "resynthesis").meta
    # 4 for each split and 2 before the first step, then a minute a step, and 2 + 3 after each second one.
    assert meta["stopped_by"] == "max_minutes"
    minutes = [row["seconds"] / 60 for row in log_of(run, "resynthesis")[1:]]
    assert minutes == [11, 12, 18, 19, 25]
    assert meta["minutes"] == 25 + 2 + 3


def test_distillation_targets_are_no_part_of_the_time_budget(tiny_run, tmp_path, time, monkeypatch):
    """A session that makes them trains as long as one that finds them."""
    teacher = str(tiny_run.path / "resynthesis" / "vocoder")
    changes = {"resynthesis__training__teacher": teacher, "resynthesis__training__max_minutes": 1.0}
    run = beside(tiny_run, tmp_path / "run", **changes)
    made = []

    def slow(path, *given):
        time.now += 600
        made.append(path)
        write_audio(path, *given)

    monkeypatch.setattr(distillation, "write_audio", slow)
    for _ in range(2):
        meta = train(run, "resynthesis").meta
        assert (meta["steps"], meta["stopped_by"], meta["minutes"]) == (4, "steps", 0.0)
        shutil.rmtree(run.path / "resynthesis")
    assert len(made) == len(set(made)) == len(prepared(run).split("train"))


def test_a_second_session_adds_its_minutes_to_those_of_the_first(tiny_run, tmp_path, time):
    run = beside(tiny_run, tmp_path / "run")
    data = Segments(run, "resynthesis", "train")
    state = State.create(run.config, "resynthesis", data)
    state.step, state.seconds = 2, 600.0
    folder = run.path / "resynthesis" / "checkpoints"
    state.save(checkpoints.step_folder(folder, 2), run.config, score=1.0, encoders=data.encoders)
    assert train(run, "resynthesis").meta["minutes"] == 10.0


@pytest.mark.parametrize("task", ["resynthesis", "conversion"])
def test_segments_can_be_pickled_after_use(tiny_run, task):
    data = Segments(tiny_run, task, "train")
    batch = data.batch(0)
    assert torch.equal(pickle.loads(pickle.dumps(data)).batch(0).content, batch.content)


def test_spawned_workers_prepare_the_same_batches(tiny_run):
    steps = Steps(Segments(tiny_run, "conversion", "train"))
    loader = DataLoader(steps, batch_size=None, sampler=[3], num_workers=1, multiprocessing_context="spawn")
    ((found,),) = list(loader)
    (expected,) = steps[3]
    assert found.ids == expected.ids
    assert torch.equal(found.content, expected.content)


def test_a_batch_of_one_gets_the_emotion_of_another_recording(tiny_run, tmp_path, monkeypatch):
    run = beside(tiny_run, tmp_path / "run", conversion__training__batch_size=1)
    data = segments_of(run, "conversion", "train")
    monkeypatch.setattr(speaker_sampling, "speaker_prototypes", lambda: F.normalize(data.speaker[:4], dim=1))
    batch = data.batch(0)
    sampled, _ = SpeakerSampler(data, None).sample(batch)
    assert not torch.equal(sampled.emotion, batch.emotion)
    assert (data.emotion == sampled.emotion).all(1).any()


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
