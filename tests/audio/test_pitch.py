import numpy as np
import pytest
from helpers import voiced

from thesis_lib.audio.pitch import (
    MAX_F0_HZ,
    MIN_VOICED_CONFIDENCE,
    MOVEMENT_COSINES,
    Movement,
    Pitch,
    PitchError,
    track,
)
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
    with pytest.raises(PitchError, match="voiced frames"):
        pitch.movement()
    assert pitch.moved(5.0, movement=Movement((0.1,))) is pitch


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


FRAMES = 120
X = np.clip((np.arange(FRAMES) - 10) / (FRAMES - 31), 0, 1)  # voiced from frame 10 to frame 99
PLANTED = (-0.2, 0.1, 0.05)


def contour(coefficients: tuple[float, ...]) -> Pitch:
    """A contour with that movement around 150 Hz, unvoiced before and after it and in a gap."""
    voicing = np.ones(FRAMES, np.float32)
    voicing[:10] = voicing[100:] = voicing[40:50] = 0
    log_f0 = np.log(150) + sum(a * np.cos(np.pi * k * X) for k, a in enumerate(coefficients, start=1))
    return Pitch(np.where(voicing > 0, log_f0, 7.0).astype(np.float32), voicing)


def test_the_movement_of_a_known_contour():
    found = contour(PLANTED).movement()
    assert len(found.coefficients) == MOVEMENT_COSINES
    assert found.coefficients == pytest.approx(PLANTED, abs=0.002)
    assert contour(PLANTED).movement(1).coefficients[0] < 0


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0, 2.0])
def test_another_movement_replaces_the_own_one_by_its_share(share):
    """What is faster than the movement stays, and so does the median where none is given."""
    fast = 0.02 * np.cos(np.pi * 12 * X)
    own = contour((0.1, 0.0, -0.05))
    own = Pitch((own.log_f0 + fast).astype(np.float32), own.voicing)
    moved = own.moved(movement=Movement(PLANTED).scaled(share))
    before, after = (np.array(pitch.movement().coefficients) for pitch in (own, moved))
    assert after == pytest.approx(before + share * (np.array(PLANTED) - before), abs=0.002)
    change = (moved.log_f0 - own.log_f0)[own.voiced]
    slow = np.cos(np.pi * np.outer(X[own.voiced], (1, 2, 3)))
    assert change == pytest.approx(slow @ np.linalg.lstsq(slow, change, rcond=None)[0], abs=1e-5)
    level = own.moved(np.log(200), 0.1, Movement(PLANTED)).range
    assert (level.log_f0_median, level.log_f0_std) == pytest.approx((np.log(200), 0.1), abs=1e-4)
    same = own.moved(movement=Movement(())).log_f0[own.voiced]
    assert same == pytest.approx(own.log_f0[own.voiced], abs=1e-6)


def test_a_part_of_a_movement():
    whole = Movement(PLANTED, share=0.5)
    assert whole.part(0.0, 1.0).coefficients == pytest.approx(PLANTED)
    for start, end, count in ((0.0, 0.3, 1), (0.3, 0.8, 2), (0.2, 1.0, 3)):
        found = whole.part(start, end)
        assert (len(found.coefficients), found.share) == (count, 0.5)
        x = np.linspace(0, 1, 50)
        cut = sum(a * np.cos(np.pi * k * (start + (end - start) * x)) for k, a in enumerate(PLANTED, start=1))
        made = sum(a * np.cos(np.pi * k * x) for k, a in enumerate(found.coefficients, start=1))
        assert np.corrcoef(cut, made)[0, 1] > 0.97
    assert whole.part(0.5, 0.5).coefficients == ()
