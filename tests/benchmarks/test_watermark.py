"""The long recordings of the benchmark of the watermark."""

import numpy as np
import pytest

from benchmarks import watermark
from benchmarks.alterations import RATE
from thesis_lib.cloning.watermark import Detection
from thesis_lib.utils.errors import MetricError


@pytest.fixture
def finds_ones(monkeypatch):
    """A detector of samples that are 1, as the marked ones are here; the recordings that it was given."""
    given = []

    def detect(wav, rate):
        given.append(wav)
        ones = np.flatnonzero(wav > 0.5) / rate
        return Detection(len(ones) / len(wav), 0.0, 1.0, ((ones[0], ones[-1]),) if len(ones) else ())

    monkeypatch.setattr(watermark, "detect_watermark", detect)
    monkeypatch.setattr(watermark, "add_watermark", lambda wav, rate: np.ones_like(wav))
    return given


def test_recordings_are_joined_and_cut_into_files_of_a_length():
    wavs = [np.full(3 * RATE, number) for number in range(5)]
    files = watermark.joined_files(wavs, [4, 5, 4, 5])
    assert [len(x) / RATE for x in files] == [4, 5, 4]
    assert np.array_equal(np.concatenate(files), np.concatenate(wavs)[: 13 * RATE])


def test_a_stretch_is_marked_at_each_offset_at_which_it_fits(finds_ones):
    found = watermark.stretches([np.zeros(10 * RATE)] * 54, watermark.FILE_SECONDS * 2, 30)
    assert found["files"] == 6
    places = [(row["file"], row["from"]) for row in found["rows"]]
    assert places == [(length, o) for length in watermark.FILE_SECONDS for o in watermark.OFFSETS if o + 30 <= length]
    assert [row["of"] for row in found["rows"]] == [row["found"] for row in found["rows"]] == [2] * len(places)
    assert found["stretches"] == len(finds_ones) == 2 * len(places)
    assert (found["share"], found["high"]) == (1, 1)
    assert 0.5 < found["low"] < 1
    for wav, (length, offset) in zip(finds_ones, 2 * places, strict=True):
        assert len(wav) == length * RATE
        assert np.array_equal(np.flatnonzero(wav) // RATE, np.repeat(np.arange(offset, offset + 30), RATE))


@pytest.mark.parametrize(("speed", "played"), [(0.8, 30), (1.25, 24)])
def test_a_stretch_at_another_speed_plays_longer_or_shorter(finds_ones, speed, played):
    found = watermark.stretches([np.zeros(200 * RATE)], (100, 100), 30, speed)
    assert (found["seconds"], found["speed"], found["stretches"], found["share"]) == (30, speed, 10, 1)
    for wav, offset in zip(finds_ones, 2 * watermark.OFFSETS, strict=True):
        ones = np.flatnonzero(wav > 0.5) / RATE
        assert ones[0] == pytest.approx(offset, abs=0.01)
        assert ones[-1] == pytest.approx(offset + played, abs=0.01)
        assert len(wav) / RATE == pytest.approx(100 - 30 * min(1, speed) + played, abs=0.01)


def test_a_span_elsewhere_is_not_the_stretch(monkeypatch):
    monkeypatch.setattr(watermark, "add_watermark", lambda wav, rate: wav)
    monkeypatch.setattr(watermark, "detect_watermark", lambda *given: Detection(1.0, 0.5, 1.0, ((0.0, 10.0),)))
    rows = watermark.stretches([np.zeros(270 * RATE)], watermark.FILE_SECONDS, 20)["rows"]
    assert len(rows) == 14
    assert all(row["found"] == (row["from"] < 10) for row in rows)


def test_false_alarms_are_counted_per_hour_of_what_is_played(finds_ones):
    wavs = [np.zeros(90 * RATE), np.zeros(90 * RATE), np.ones(90 * RATE), np.zeros(90 * RATE)]
    found = watermark.false_alarms(wavs, 0.9)
    assert found["hours"] == pytest.approx(400 / 3600)
    assert (found["recordings"], found["alarms"]) == (4, 1)
    assert found["per hour"] == pytest.approx(9)
    assert 0 < found["low"] < 9 < found["high"] < 36
    assert watermark.false_alarms(wavs[:2], 1.0)["per hour"] == 0


def test_a_row_of_an_alteration_has_the_shares_of_both_sides(finds_ones, monkeypatch):
    changes = {"nothing": lambda wav: (wav, RATE), "loses the mark": lambda wav: (0 * wav, RATE)}
    monkeypatch.setattr(watermark, "alterations", lambda: changes)
    rows, missing = watermark.altered_rows([np.ones(RATE)] * 3, [np.zeros(RATE), np.zeros(RATE), np.ones(RATE)])
    assert missing == []
    assert [row["after"] for row in rows] == list(changes)
    assert [(row["seen in marked"], row["seen in unmarked"]) for row in rows] == [(1, pytest.approx(1 / 3)), (0, 0)]
    assert (rows[0]["unmarked, lowest"], rows[0]["unmarked, highest"], rows[0]["marked, lowest"]) == (0, 1, 1)
    assert 0.2 < rows[0]["marked, low"] < rows[0]["marked, high"] == 1
    assert (rows[1]["marked, highest"], rows[1]["marked, low"]) == (0, 0)


def test_a_recording_that_cannot_be_measured_after_one_alteration_is_in_no_row(finds_ones, monkeypatch):
    def fails(wav):
        if not wav.any():
            raise MetricError("silent")
        return wav, RATE

    monkeypatch.setattr(watermark, "alterations", lambda: {"nothing": lambda wav: (wav, RATE), "fails": fails})
    rows, missing = watermark.altered_rows([np.ones(RATE)] * 2, [np.ones(RATE), np.zeros(RATE)])
    assert [(row["after"], row["recordings"], row["seen in unmarked"]) for row in rows] == [
        ("nothing", 1, 1),
        ("fails", 1, 1),
    ]
    assert missing == [{"recording": 1, "after": "fails", "side": "unmarked", "reason": "silent"}]
    assert watermark.altered_rows([np.ones(RATE)], [np.zeros(RATE)])[0] == []
