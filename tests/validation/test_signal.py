"""Metrics of signals: order, units, and agreement with the standard packages."""

import numpy as np
import pytest
from helpers import voiced
from recorded import RATE, record

from thesis_lib.validation import metrics


def test_mel_l1_of_a_gain_is_its_logarithm():
    wav = voiced(1.0)[: 80 * 256]
    # Every band is far above the floor except where the signal is nearly silent: compare where it is loud.
    assert metrics.mel_l1(record(0.5 * wav), record(wav)) == pytest.approx(np.log(2), abs=0.02)
    assert metrics.mel_l1(record(wav), record(wav)) == 0


DISTANCES = ("mel_l1", "multi_resolution_stft", "mcd", "mcd_dtw")

SIMILARITIES = ("pesq", "stoi")


@pytest.mark.parametrize("metric", [*DISTANCES, *SIMILARITIES])
def test_signal_metrics_order_noise(pair, metric):
    wav, noisy = pair
    noisier = noisy + 0.05 * np.random.default_rng(1).normal(size=len(wav)).astype(np.float32)
    values = [getattr(metrics, metric)(record(x), record(wav)) for x in (wav, noisy, noisier)]
    assert values == sorted(values, reverse=metric in SIMILARITIES)
    assert len(set(values)) == 3


@pytest.mark.parametrize("metric", DISTANCES)
def test_a_signal_has_no_distance_from_itself(pair, metric):
    assert getattr(metrics, metric)(record(pair[0]), record(pair[0])) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("mode", ["plain", "dtw"])
def test_mcd_is_the_package_s_own_from_files(pair, mode, tmp_path):
    import soundfile
    from pymcd.mcd import Calculate_MCD

    wav, noisy = pair
    paths = [str(tmp_path / name) for name in ("reference.wav", "estimate.wav")]
    for path, samples in zip(paths, (wav, noisy), strict=True):
        soundfile.write(path, samples, RATE, subtype="FLOAT")
    ours = {"plain": metrics.mcd, "dtw": metrics.mcd_dtw}[mode](record(noisy), record(wav))
    assert ours == pytest.approx(Calculate_MCD(MCD_mode=mode).calculate_mcd(*paths), rel=1e-6)


def test_warped_time_costs_mcd_but_hardly_its_dtw(pair):
    wav = pair[0]
    late = np.concatenate([np.zeros(2205, np.float32), wav[:-2205]])
    assert metrics.mcd_dtw(record(late), record(wav)) < 0.7 * metrics.mcd(record(late), record(wav))
    shorter = metrics.mcd_dtw(record(wav[:-2205]), record(wav))
    assert 0 <= shorter < 0.7 * metrics.mcd(record(late), record(wav)), "lengths may differ"


def test_pesq_is_directional(pair):
    wav, noisy = map(record, pair)
    assert metrics.pesq(noisy, wav) != metrics.pesq(wav, noisy)


@pytest.mark.parametrize("metric", ["pesq", "stoi"])
def test_too_little_speech_is_not_measured(metric):
    with pytest.raises(metrics.MetricError, match=metric.upper()):
        getattr(metrics, metric)(record(voiced(0.1)), record(voiced(0.1)))


@pytest.mark.parametrize("metric", ["mel_l1", "multi_resolution_stft", "mcd", "pesq", "stoi", "pitch_errors"])
def test_unequal_lengths_are_not_measured(metric):
    wav = voiced(1.0)
    with pytest.raises(metrics.MetricError, match="aligned"):
        getattr(metrics, metric)(record(wav[:-1]), record(wav))


def test_pitch_errors_of_a_semitone():
    low, high = (record(voiced(2.0, f0=140 * 2 ** (step / 12))) for step in (0, 1))
    found = metrics.pitch_errors(high, low)
    assert found["f0_cents"] == pytest.approx(100, abs=8)
    assert found["voicing_f1"] > 0.95
    assert metrics.pitch_errors(low, low) == {"voicing_f1": 1, "f0_cents": 0, "periodicity": 0}
    hiss = record(0.05 * np.random.default_rng(0).normal(size=2 * RATE).astype(np.float32))
    with pytest.raises(metrics.PartlyMeasured, match="voiced in both") as error:
        metrics.pitch_errors(hiss, low)
    assert error.value.columns["voicing_f1"] == 0
    assert 0 < error.value.columns["periodicity"] < 1
    with pytest.raises(metrics.PartlyMeasured, match="voiced in either") as error:
        metrics.pitch_errors(hiss, hiss)
    assert error.value.columns == {"periodicity": 0}
