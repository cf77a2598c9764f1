"""A gap of an audio track is silence in its samples; rounded times and restarted clocks are no gaps."""

import io

import numpy as np
import pytest
from containers import RATE, joined, muxed
from films import film
from helpers import voiced
from hypothesis import given
from hypothesis import strategies as st

from thesis_lib.audio.files import header, read_audio, survey
from thesis_lib.audio.gaps import MAX_GAP_S, Gaps
from thesis_lib.audio.streams import stream_blocks


def sounding(wav, rate):
    """For each tenth of a second, whether there is sound."""
    size = rate // 10
    return np.abs(wav[: len(wav) // size * size].reshape(-1, size)).max(1) > 0.01


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_speech_after_a_gap_has_the_time_that_a_player_gives_it(tmp_path, suffix):
    path = film(tmp_path / f"a.{suffix}", [voiced(2.0, RATE)], seconds=0.2, gap=(1.0, 3.0))
    wav, rate = read_audio(path)
    assert len(wav) / rate == pytest.approx(5.0, abs=0.1)
    sound = sounding(wav, rate)
    assert sound[1:9].all()
    assert not sound[12:39].any()
    assert sound[42:49].all()
    assert header(path)[1] == survey(path).seconds == len(wav) / rate
    assert survey(path).notes("a") == ["a: the audio track has 1 gap(s), 3.0 s in all, filled with silence"]


def test_a_gap_in_a_stream(tmp_path):
    path = film(tmp_path / "a.mkv", [voiced(2.0, RATE)], picture=None, gap=(1.0, 3.0))
    notes = []
    rate, blocks = stream_blocks(io.BytesIO(path.read_bytes()), 16_000, 0.5, notes.append)
    assert sum(map(len, blocks)) / rate == pytest.approx(5.0, abs=0.1)
    assert notes == ["stdin: the audio track has 1 gap(s), 3.0 s in all, filled with silence"]


@pytest.mark.parametrize(
    ("suffix", "codec", "rate"),
    [
        ("wma", "wmav2", 44_100), ("wma", "wmav2", 16_000), ("mka", "ac3", 48_000), ("webm", "libopus", 48_000),
        ("flv", "libmp3lame", 44_100), ("avi", "libmp3lame", 22_050), ("ts", "aac", 16_000), ("mpg", "mp2", 48_000),
        ("aac", "aac", 48_000), ("m4a", "aac", 22_050), ("3gp", "aac", 16_000),
    ],
)  # fmt: skip
def test_a_track_without_a_gap_is_not_changed(tmp_path, suffix, codec, rate):
    path = muxed(tmp_path / f"a.{suffix}", voiced(5.0, rate), codec, rate)
    assert survey(path).notes("a") == []
    assert survey(path).seconds == pytest.approx(5.0, abs=0.15)


def test_joined_files_have_no_gap(tmp_path):
    assert survey(joined(tmp_path / "a.mp3", 2.0, 1.0)).notes("a") == []


SECOND = np.ones((1000, 2), np.float32)


@pytest.mark.parametrize(
    ("times", "filled"),
    [
        ([5.0, 6.0, 7.0], 0),  # a track may begin at any time
        ([0.0, 1.0, 3.5], 1500),
        ([0.0, 1.02, 1.98, 3.03], 0),  # rounded
        ([0.0, None, 4.0], 2000),
        ([0.0, 0.8, 1.8, 3.0], 0),  # of two frames that overlap, none is cut
        ([10.0, 0.0, 1.0, 3.0], 1000),  # the clock begins again
        ([0.0, 2 * MAX_GAP_S, 2 * MAX_GAP_S + 3], 2000),
    ],
)
def test_the_silence_that_times_ask_for(times, filled):
    gaps = Gaps()
    blocks = [wav for wav, rate in gaps.filled((SECOND, 1000, time) for time in times) if rate == 1000]
    assert sum(len(wav) for wav in blocks if not wav.any()) == filled
    assert sum(len(wav) for wav in blocks if wav.any()) == 1000 * len(times)
    assert {wav.shape[1] for wav in blocks} == {2}
    assert gaps.seconds == pytest.approx(filled / 1000)


@given(st.lists(st.floats(0, 2), max_size=20))
def test_after_any_gaps_a_frame_lies_within_the_tolerance_of_its_time(pauses):
    time, frames = 0.0, []
    for pause in pauses:
        frames.append((np.ones((100, 1), np.float32), 1000, time + pause))
        time += pause + 0.1
    place, starts = 0, []
    for wav, _ in Gaps().filled(frames):
        starts += [place / 1000] if wav.any() else []
        place += len(wav)
    if frames:
        wanted = np.array([time for *_, time in frames]) - frames[0][2]
        assert starts == pytest.approx(wanted, abs=0.0601 + 0.0005 * len(frames))
