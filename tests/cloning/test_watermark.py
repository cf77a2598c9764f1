import json

import numpy as np
import pytest
from helpers import spoken
from typer.testing import CliRunner

from thesis_lib.audio.files import AudioError, read_audio, resample, write_audio
from thesis_lib.cli import app
from thesis_lib.cloning import watermark as module
from thesis_lib.cloning.watermark import (
    SEARCHED_SPEEDS,
    Detection,
    WatermarkError,
    add_watermark,
    detect_watermark,
)

RATE = 22_050


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    wav = spoken(0, RATE)
    return wav, add_watermark(wav, RATE)


def test_the_mark_is_there_only_where_it_was_put(pair):
    plain, marked = pair
    assert detect_watermark(plain, RATE).probability < 0.1
    assert detect_watermark(marked, RATE).probability > 0.9
    assert marked.shape == plain.shape
    assert marked.dtype == np.float32


def test_a_window_of_nearly_zero_samples_counts_for_nothing(pair):
    """As Opus writes a pause of a minute."""
    _, marked = pair
    silence = np.full(60 * RATE, 1e-34, np.float32)
    silence[::2] *= -1
    part = detect_watermark(np.concatenate([marked, silence]), RATE)
    assert part.is_marked
    assert part.speed == 1.0


def test_it_reaches_the_last_sample():
    wav = spoken(0, RATE)[:30_200]  # 212 samples more than whole hops
    added = add_watermark(wav, RATE) - wav
    assert len(added) == len(wav)
    assert np.square(added[-200:]).mean() > 1e-3 * np.square(wav[-200:]).mean()


def test_it_changes_little(pair):
    plain, marked = pair
    assert np.square(plain - marked).mean() < 0.05 * np.square(plain).mean()
    assert np.abs(np.abs(marked).max() - np.abs(plain).max()) < 0.1


def test_it_survives_compression_resampling_gain_and_cutting(pair, tmp_path):
    _, marked = pair
    write_audio(tmp_path / "x.mp3", marked, RATE)
    for wav, rate in (
        read_audio(tmp_path / "x.mp3"),
        (resample(marked, RATE, 16_000), 16_000),
        (0.3 * marked, RATE),
        (marked[RATE // 2 : RATE // 2 + 2 * RATE], RATE),
    ):
        assert detect_watermark(wav, rate).is_marked


@pytest.mark.parametrize("speed", [0.9, 0.96, 1.05, 1.11])
def test_it_is_found_at_another_speed(pair, speed):
    for wav, is_marked in zip(pair, (False, True), strict=True):
        found = detect_watermark(resample(wav, RATE * speed, RATE), RATE)
        assert found.is_marked == is_marked
        assert not is_marked or abs(found.speed / speed - 1) < 0.03  # the detector's own tolerance


def test_no_speed_in_the_range_is_far_from_one_that_is_searched():
    assert all(min(abs(s / speed - 1) for s in SEARCHED_SPEEDS) < 0.0145 for speed in np.arange(0.89, 1.111, 0.001))


def searched(monkeypatch, seconds, probability):
    """The detection, and the start and the length in s of the windows that are searched at each speed."""
    calls = {}

    def probabilities(windows, rate, speed):
        places = [(x.start, len(x.wav) / rate) for x in windows]
        calls.setdefault(speed, []).extend(places)
        return np.array([probability(speed, *place) for place in places])

    monkeypatch.setattr(module, "_probabilities", probabilities)
    return detect_watermark(np.ones(seconds * 100), 100), calls


@pytest.mark.parametrize(("seconds", "windows"), [(20, 1), (52, 5), (60, 7), (165, 21)])
def test_a_long_recording_is_searched_at_other_speeds_by_probes_of_every_window(monkeypatch, seconds, windows):
    found, calls = searched(monkeypatch, seconds, lambda *given: 0.1)
    assert not found.is_marked
    assert list(calls) == list(SEARCHED_SPEEDS)
    starts = [start for start, _ in calls[1.0]]
    assert len(starts) == windows
    assert [length >= 15 for _, length in calls[1.0]] == [True] * windows
    for speed in SEARCHED_SPEEDS[1:]:
        assert [start for start, _ in calls[speed]] == starts
        assert [length == 2 for _, length in calls[speed]] == [windows > 6] * windows


def test_a_probe_with_the_watermark_has_its_window_and_both_neighbours_searched(monkeypatch):
    def probability(speed, start, length):
        return (speed == 0.95) * (0.5 if length == 2 else 0.9 if start == 45 else 0.6) * (start == 52.5 or length > 2)

    found, calls = searched(monkeypatch, 165, probability)
    assert [place for place in calls[0.95] if place[1] != 2] == [(start, 15) for start in (45, 52.5, 60)]
    assert (found.speed, found.probability, found.spans) == (0.95, 0.9, ((45, 75),))
    assert len(calls[1.1]) == 21


def test_a_probe_is_the_loudest_part_of_the_middle_of_its_window():
    wav = np.zeros(1600)
    wav[300:400], wav[700:1000], wav[1300:] = 1.0, 0.5, 1.0
    probe = module._Window(wav, 30.0, 46.0).probe(100)
    assert np.array_equal(probe.wav, wav[800:1000])
    assert (probe.start, probe.end) == (30.0, 46.0)
    silent = module._Window(np.full(1600, 1e-34), 30.0, 46.0).probe(100)
    assert module._probabilities([silent], 100, 1.05) == [0]


def test_a_stretch_at_another_speed_is_found_in_a_long_recording(monkeypatch):
    """It lies between the windows of each fifth, at 38 to 54 s and at 77 to 92 s."""
    monkeypatch.setattr(module, "SEARCHED_SPEEDS", (1.0, 0.95, 1.05))
    wav = np.resize(np.concatenate([spoken(i, RATE) for i in range(32)]), 200 * RATE)
    part = slice(55 * RATE, 74 * RATE)
    slower = resample(add_watermark(wav[part], RATE), RATE * 0.95, RATE)  # 20 s
    found = detect_watermark(np.concatenate([wav[: part.start], slower, wav[part.stop :]]), RATE)
    assert found.is_marked
    assert found.speed == 0.95
    ((start, end),) = found.spans
    assert abs(start - 55) < 7.7, "half a window"
    assert abs(end - 75) < 7.7


def detected(monkeypatch, probabilities: list[float]) -> Detection:
    """The detection in a recording with windows of 20 s, one from each 10 s on, with such probabilities."""
    monkeypatch.setattr(module, "SEARCHED_SPEEDS", (1.0,))
    monkeypatch.setattr(module, "_probabilities", lambda windows, *rest: np.array(probabilities))
    monkeypatch.setattr(module, "MIN_WINDOW_SECONDS", 20)
    return detect_watermark(np.ones((len(probabilities) + 1) * 1000), 100)


@pytest.mark.parametrize(
    ("probabilities", "spans"),
    [
        ([0.5], ((0, 20),)),
        ([0.49], ()),
        ([0.0, 1.0, 0.0], ((10, 30),)),  # mean 0.33
        ([0.1, 0.99, 0.9, 0.1, 0.0, 0.6], ((10, 40), (50, 70))),
        ([0.0, 0.73, 0.0], ()),  # the highest of 1,376 unmarked windows
        ([0.45, 0.6, 0.55], ((10, 40),)),  # by the mean
        ([0.0] * 200 + [0.86], ((2000, 2020),)),
        ([0.0] * 200 + [0.84], ()),
    ],
)
def test_one_window_is_enough_if_its_probability_is_high(monkeypatch, probabilities, spans):
    found = detected(monkeypatch, probabilities)
    assert found.spans == spans
    assert found.is_marked == bool(spans)
    assert found.probability == max(probabilities)
    assert found.mean == pytest.approx(np.mean(probabilities))


def test_a_marked_stretch_of_a_long_recording_is_found_and_placed(pair, tmp_path):
    plain, marked = (np.tile(wav, 32 * RATE // len(wav)) for wav in pair)
    seconds, whole = len(marked) / RATE, np.concatenate([plain, marked, plain])  # three times 27 s
    write_audio(tmp_path / "x.wav", whole, RATE)
    found = detect_watermark(*read_audio(tmp_path / "x.wav"))
    assert found.is_marked
    assert found.probability > 0.9
    ((start, end),) = found.spans
    assert abs(start - seconds) < 10, "half a window at most"
    assert abs(end - 2 * seconds) < 10
    printed = CliRunner().invoke(app, ["detect", str(tmp_path / "x.wav")]).output
    assert f"(highest {found.probability:.2f}, mean {found.mean:.2f}, {start:.0f}-{end:.0f} s)" in printed


@pytest.mark.parametrize("seconds", [30, 37.4, 44.9, 60, 74, 89.9, 104, 300])
def test_marked_speech_of_30_s_fills_a_window_wherever_it_begins(seconds):
    windows = module._windows(np.ones(round(seconds * 100)), 100)
    assert all(14.9 < x.end - x.start < 22.5 for x in windows)
    assert (windows[0].start, windows[-1].end) == (0, seconds)
    for offset in np.arange(0, seconds - 29.9, 0.5):
        assert any(offset <= x.start + 0.02 and x.end <= offset + 30.02 for x in windows), offset


@pytest.mark.parametrize("offset", [10, 40])
def test_marked_speech_of_30_s_is_found_between_unmarked_speech(offset):
    """No window of a row of windows of 18.5 s that do not overlap is full of it, from 40 s on."""
    wav = np.concatenate([spoken(i, RATE) for i in range(16)])[: 74 * RATE]
    assert len(wav) == 74 * RATE
    part = slice(offset * RATE, (offset + 30) * RATE)
    wav[part] = add_watermark(wav[part], RATE)
    found = detect_watermark(wav, RATE)
    ((start, end),) = found.spans
    assert abs(start - offset) < 9.3, "half a window"
    assert abs(end - offset - 30) < 9.3
    assert found.mean < found.probability


def test_what_cannot_carry_it_is_returned_as_it_is():
    for wav in (np.zeros(RATE, np.float32), spoken(0, RATE)[:500]):
        assert np.array_equal(add_watermark(wav, RATE), wav)
    with pytest.raises(AudioError, match="silence"):
        detect_watermark(np.zeros(RATE, np.float32), RATE, "silent.wav")


def test_other_bytes_than_the_pinned_ones_are_refused(monkeypatch):
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    module._detector.cache_clear()
    with pytest.raises(WatermarkError, match="not the pinned file"):
        detect_watermark(spoken(0, RATE), RATE)
    monkeypatch.undo()
    module._detector.cache_clear()


def test_detect_says_which_is_which(pair, tmp_path):
    for name, wav in zip(("plain", "marked"), pair, strict=True):
        write_audio(tmp_path / f"{name}.wav", wav, RATE)
    runner = CliRunner()
    found = runner.invoke(app, ["detect", "--json", *(str(tmp_path / f"{n}.wav") for n in ("plain", "marked"))])
    assert found.exit_code == 0
    plain, marked = (json.loads(line) for line in found.output.splitlines())
    assert (plain["marked"], marked["marked"]) == (False, True)
    assert plain["mean"] == plain["watermark"] < 0.1, "one window"
    alone = runner.invoke(app, ["detect", str(tmp_path / "plain.wav")])
    assert alone.exit_code == 1
    assert "not marked" in alone.output
    write_audio(tmp_path / "faster.wav", resample(pair[1], 105, 100), RATE)
    assert "at 1.05 times the speed" in runner.invoke(app, ["detect", str(tmp_path / "faster.wav")]).output
