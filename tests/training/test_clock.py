"""The time of a training is the wall-clock time of all its sessions, without that of distillation targets."""

import shutil

import pytest
from helpers import beside, log_of

from thesis_lib.audio.files import write_audio
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import State, distillation, loop, train
from thesis_lib.training.clock import SessionClock
from thesis_lib.training.segments import Segments, Steps
from thesis_lib.vocoder import checkpoints


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
