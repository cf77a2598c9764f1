import numpy as np
import pytest
from helpers import chords, spoken

from thesis_lib.audio.files import AudioError
from thesis_lib.audio.voice_activity import MAX_SEGMENT_S, RATE, Segment, signal_to_noise, speech_segments


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE), np.float32)


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Two utterances with two seconds between them, and silence on both ends."""
    return np.concatenate([silence(1.0), spoken(0, RATE), silence(2.0), spoken(1, RATE), silence(1.5)])


def test_speech_is_found_where_it_is(talk):
    segments = list(speech_segments([talk], RATE))
    assert all(len(s.wav) == round(s.duration * RATE) for s in segments)
    assert all(np.array_equal(s.wav, talk[round(s.start * RATE) : round(s.end * RATE)]) for s in segments)
    inside = np.zeros(len(talk), bool)
    for segment in segments:
        inside[round(segment.start * RATE) : round(segment.end * RATE)] = True
    assert np.square(talk[inside]).sum() > 0.99 * np.square(talk).sum()
    assert not inside[: RATE // 2].any()
    assert not inside[-RATE // 2 :].any()


@pytest.mark.parametrize("size", [400, 4_000, 31_000])
def test_blocks_of_any_size_give_the_same_speech(talk, size):
    whole = list(speech_segments([talk], RATE))
    parts = list(speech_segments(np.split(talk, range(size, len(talk), size)), RATE))
    assert [s.start for s in parts] == pytest.approx([s.start for s in whole], abs=0.3)
    assert sum(s.duration for s in parts) == pytest.approx(sum(s.duration for s in whole), abs=0.5)


def test_a_segment_comes_as_soon_as_its_pause_is_over(talk):
    blocks = np.split(talk, range(RATE // 4, len(talk), RATE // 4))
    given = 0

    def feed():
        nonlocal given
        for block in blocks:
            given += len(block)
            yield block

    first = next(speech_segments(feed(), RATE))
    assert given / RATE < first.end + 1.3


def test_a_segment_is_expected_after_a_quarter_of_its_pause_with_the_samples_that_it_will_have(talk):
    blocks, given, expected = np.split(talk, range(RATE // 10, len(talk), RATE // 10)), 0, []

    def feed():
        nonlocal given
        for block in blocks:
            given += len(block)
            yield block

    found = []
    for segment in speech_segments(feed(), RATE, 0.4, lambda segment: expected.append((given / RATE, segment))):
        at, early = expected[-1]
        assert (early.start, early.end) == (segment.start, segment.end)
        np.testing.assert_array_equal(early.wav, segment.wav)
        found.append(given / RATE - at)
    assert len(found) > 1
    assert all(0.15 < early < 0.4 for early in found), "s before the end of the pause"
    assert len({(one.start, one.end) for _, one in expected}) == len(expected), "each is expected once"


def test_no_segment_is_expected_where_one_ends_or_the_recording_does(talk):
    loud = np.flatnonzero(np.abs(talk) > 0.1 * np.abs(talk).max())
    for seconds in (0.25, 0.3, 0.35):
        expected = []
        wav = talk[: loud[-1] + int(seconds * RATE)]
        assert len(list(speech_segments([wav], RATE, 0.4, expected.append))) > 1
        assert expected == [], "the segments are given"
        assert len(list(speech_segments([wav, silence(1.0)], RATE, 0.4, expected.append))) > 1
        assert expected == [], "the first block ends others, which come before"


def test_a_pause_that_is_too_short_gives_an_expected_segment_only():
    loud = np.flatnonzero(np.abs(said := spoken(0, RATE)) > 0.1 * np.abs(said).max())
    said = said[loud[0] : loud[-1]]
    wav = np.concatenate([silence(0.5), said, silence(0.3), said])
    blocks, expected = np.split(wav, range(RATE // 10, len(wav), RATE // 10)), []
    (segment,) = speech_segments(blocks, RATE, 0.4, expected.append)
    assert expected
    assert all(one.start == segment.start and one.end < segment.end for one in expected)


def test_no_segment_is_longer_than_whispers_window_and_memory_stays_flat():
    endless = np.concatenate([spoken(i % 4, RATE) for i in range(12)])  # pauses shorter than PAUSE_S only
    segments = list(speech_segments(np.array_split(endless, 60), RATE))
    assert max(s.duration for s in segments) <= MAX_SEGMENT_S
    assert sum(s.duration for s in segments) > 0.7 * len(endless) / RATE
    assert all(a.end <= b.start for a, b in zip(segments, segments[1:], strict=False))


def test_other_rates_and_integers_are_segmented_too():
    plain = list(speech_segments([spoken(0, RATE)], RATE))
    found = list(speech_segments([(spoken(0, 44_100) * 32767).astype(np.int16)], 44_100))
    assert [s.start for s in found] == pytest.approx([s.start for s in plain], abs=0.1)
    assert [s.end for s in found] == pytest.approx([s.end for s in plain], abs=0.1)


@pytest.mark.parametrize(
    "wav",
    [
        silence(3.0),
        chords(rate=RATE),
        0.1 * np.random.default_rng(0).normal(size=5 * RATE).astype(np.float32),
        np.full(3 * RATE, np.nan, np.float32),
        np.zeros(0, np.float32),
    ],
    ids=["silence", "music", "noise", "nan", "nothing"],
)
def test_what_is_no_speech_gives_no_segment(wav):
    assert list(speech_segments([wav], RATE)) == []


def test_a_block_of_two_channels_is_refused():
    with pytest.raises(AudioError, match="not mono"):
        list(speech_segments([np.zeros((100, 2), np.float32)], RATE))


@pytest.mark.parametrize("wanted", [20.0, 10.0, 3.0])
def test_noise_is_measured_in_the_pauses(wanted):
    wav = spoken(0, RATE)
    noise = np.random.default_rng(0).normal(size=len(wav)) * np.sqrt(np.mean(wav**2) / 10 ** (wanted / 10))
    noisy = (wav + noise).astype(np.float32)
    assert signal_to_noise([Segment(0.0, len(wav) / RATE, noisy)]) == pytest.approx(wanted, abs=4)
    assert signal_to_noise([]) == -np.inf
