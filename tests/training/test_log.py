"""The training log."""

import pytest
from helpers import log_of


def test_tensorboard_holds_scalars_sound_and_pictures(tiny_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tiny_run.path / "conversion" / "tensorboard")).Reload()
    logged = [row["generator_norm"] for row in log_of(tiny_run, "conversion")[1:]]
    assert [event.value for event in events.Scalars("generator_norm")] == pytest.approx(logged)
    assert {event.step for event in events.Images("estimate, log-mel")} == {0, 2, 4}
    assert {event.step for event in events.Audio("estimate")} == {0, 2, 4}
