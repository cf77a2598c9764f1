"""The systems of a validation."""

import numpy as np
import pytest
from helpers import voiced

from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.validation import OTHER, SAME, ValidationItem, griffin_lim, metrics, systems
from thesis_lib.validation.metrics import MetricError, Recording


def test_a_speaker_with_one_recording_has_no_ceiling(tiny_run):
    manifest = prepared(tiny_run)
    one = manifest.split("test")[:1]
    found = systems.systems_of({"conversion": train(tiny_run, "conversion")}, manifest, one)
    item = ValidationItem(one[0], Recording(voiced(1.0), 22_050), None, None)
    for name in (SAME, OTHER):
        with pytest.raises(MetricError, match="no other recording"):
            found[name].render(item)


def test_griffin_lim_comes_back_in_time_with_the_recording():
    log_mel = LogMel(AudioConfig())
    burst = np.zeros(100 * 256, np.float32)
    burst[12_000:14_000] = 0.1 * np.random.default_rng(0).normal(size=2000)
    centre = [np.average(np.arange(len(x)), weights=x**2) for x in (burst, griffin_lim(burst, log_mel))]
    assert abs(centre[1] - centre[0]) < 30, "half a hop is 128"
    wav = voiced(2.0)[: 170 * 256]
    back = griffin_lim(wav, log_mel)
    assert len(back) == len(wav)
    distance = metrics.mel_l1(Recording(back, 22_050), Recording(wav, 22_050))
    assert distance < 0.25
    late = np.roll(back, 128)
    assert distance < metrics.mel_l1(Recording(late, 22_050), Recording(wav, 22_050)), "half a hop late is worse"
    assert np.array_equal(back, griffin_lim(wav, log_mel)), "the phases it starts from are always the same"
