import numpy as np
import pytest
from helpers import spoken, voiced

from thesis_lib.audio.files import AudioError
from thesis_lib.validation.degradations import DEGRADATIONS, narrow, noisy, through_mp3

RATE = 22_050
BIT_RATES = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # kbit/s, MPEG-2 layer III


def test_noise_is_20_db_below_the_signal():
    wav = spoken(0)
    noise = noisy(wav, RATE) - wav
    assert 10 * np.log10(np.sum(wav**2) / np.sum(noise**2)) == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000])
def test_mp3_has_64_kbit_a_second(rate, monkeypatch):
    """Read from the frame header that the codec wrote (ISO/IEC 13818-3)."""
    from thesis_lib.validation import degradations

    kept = []

    def spy(path, *given, **options):
        write(path, *given, **options)
        kept.append(path.read_bytes())

    write = degradations.write_audio
    monkeypatch.setattr(degradations, "write_audio", spy)
    wav = voiced(2.0, rate)
    found = through_mp3(wav, rate)
    (data,) = kept
    assert BIT_RATES[data[data.index(b"\xff\xf3") + 2] >> 4] == 64
    assert len(found) == len(wav)
    assert not np.allclose(found, wav, atol=1e-4), "the codec is lossy"
    assert np.corrcoef(found, wav)[0, 1] > 0.95


def test_mp3_of_another_rate_is_refused():
    with pytest.raises(AudioError, match="48000 Hz: another rate"):
        through_mp3(voiced(1.0, 48_000), 48_000)


def test_the_low_pass_keeps_what_is_below_4_khz():
    wav = np.random.default_rng(0).normal(size=4 * RATE).astype(np.float32)
    found = narrow(wav, RATE)
    power = [np.abs(np.fft.rfft(x)) ** 2 for x in (wav, found)]
    hertz = np.fft.rfftfreq(len(wav), 1 / RATE)
    below, above = hertz < 3_600, hertz > 4_200
    assert power[1][below].sum() == pytest.approx(power[0][below].sum(), rel=0.01)
    assert power[1][above].sum() < 1e-6 * power[0][above].sum()


def test_every_degradation_keeps_the_length():
    for change in DEGRADATIONS.values():
        assert change(voiced(1.01), RATE).shape == voiced(1.01).shape
