import numpy as np
import pytest
from helpers import voiced

from thesis_lib.audio.pitch import MAX_F0_HZ, MIN_VOICED_CONFIDENCE, Pitch, PitchError, track
from thesis_lib.config import AudioConfig

AUDIO = AudioConfig()


@pytest.mark.parametrize("f0", [90.0, 140.0, 260.0])
def test_the_pitch_of_a_known_signal(f0):
    pitch = track(voiced(1.5, f0=f0), AUDIO)
    assert len(pitch.log_f0) == len(pitch.voicing) == int(1.5 * 22_050) // 256
    assert np.exp(pitch.range.log_f0_median) == pytest.approx(f0, rel=0.02)
    assert pitch.range.log_f0_std < 0.05


def test_a_glide_is_on_the_mels_frames():
    t = np.arange(22_050) / 22_050
    phase = 2 * np.pi * (120 * t + 40 * t**2)  # 120 to 200 Hz
    wav = sum(np.sin(k * phase) / k for k in range(1, 10)).astype(np.float32) * 0.1
    pitch = track(wav, AUDIO)
    centres = (np.arange(len(pitch.log_f0)) + 0.5) * 256 / 22_050
    error = np.abs(np.exp(pitch.log_f0) - (120 + 80 * centres))[5:-5]
    assert np.median(error) < 2


def test_noise_has_no_pitch():
    pitch = track((0.1 * np.random.default_rng(0).normal(size=22_050)).astype(np.float32), AUDIO)
    assert not pitch.is_voiced
    with pytest.raises(PitchError, match="voiced frames"):
        _ = pitch.range
    assert pitch.moved(5.0) is pitch


def test_moving_by_hand():
    log_f0 = np.log(np.array([100, 100, 200, 100, 400, 100, 100], np.float32))
    pitch = Pitch(log_f0, np.ones(7, np.float32))
    up = pitch.moved(np.log(200))
    assert np.allclose(np.exp(up.log_f0), [200, 200, 400, 200, MAX_F0_HZ, 200, 200]), "the level moves, within bounds"
    flat = pitch.moved(log_f0_std=pitch.range.log_f0_std / 2)
    assert np.allclose(np.exp(flat.log_f0[:3]), [100, 100, 100 * 2**0.5], rtol=1e-4), "the width moves alone"
    assert np.array_equal(pitch.moved().log_f0, log_f0)


def test_voicing_is_the_trackers_confidence():
    wav = voiced(1.0)
    wav[8_000:14_000] = 0
    voicing = track(wav, AUDIO).voicing
    assert voicing[10:25].min() > MIN_VOICED_CONFIDENCE > voicing[36:50].max()
