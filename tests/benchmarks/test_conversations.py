"""Conversations with known turns."""

import numpy as np
from helpers import spoken

from benchmarks import conversations
from benchmarks.conversations import GAP_SECONDS, MIN_TURN_SECONDS, conversation_of, cut_turns, sounds
from thesis_lib.audio.voice_activity import RATE


def tones(*spans, seconds):
    """A tone in each span (s), and a noise 50 dB below it elsewhere."""
    wav = 0.001 * np.random.default_rng(0).normal(size=int(seconds * RATE))
    for start, end in spans:
        n = np.arange(int(start * RATE), int(end * RATE))
        wav[n] += 0.5 * np.sin(2 * np.pi * 200 * n / RATE)
    return wav.astype(np.float32)


def test_sounds_are_between_pauses_and_a_click_is_none():
    wav = tones((0.5, 1.5), (1.7, 2.5), (3.0, 3.05), (3.5, 5.0), seconds=6)
    assert [(a / RATE, b / RATE) for a, b in sounds(wav)] == [(0.5, 2.5), (3.5, 5.0)]
    assert [(a / RATE, b / RATE) for a, b in sounds(wav, 0.1)] == [(0.5, 1.5), (1.7, 2.5), (3.5, 5.0)]
    assert sounds(wav[: RATE // 100]) == []


def test_turns_end_at_pauses_and_a_short_rest_is_of_the_last():
    spans = [(4.0 * n + 0.5, 4.0 * n + 4.0) for n in range(5)]  # each longer than a turn is wanted
    wav = tones(*spans, (20.6, 20.6 + MIN_TURN_SECONDS / 2), seconds=22)
    turns = cut_turns(wav, np.random.default_rng(0))
    assert [len(turn) / RATE for turn in turns] == [3.5, 3.5, 3.5, 3.5, 3.9 + MIN_TURN_SECONDS / 2 + 0.2]
    assert np.array_equal(turns[0], wav[RATE // 2 : 4 * RATE])
    assert [len(turn) for turn in cut_turns(tones((0.2, 0.5), seconds=1), np.random.default_rng(0))] == [0.3 * RATE]


def test_the_reference_is_not_made_by_the_measured_system():
    """Neither the voice activity detection nor the search of the quietest place."""
    assert not {"speech_segments", "quietest", "windows_of"} & set(vars(conversations))


def test_a_conversation_has_all_speech_at_the_times_of_its_turns():
    voices = [[spoken(0, RATE)], [spoken(9, RATE), spoken(10, RATE)]]
    talk = conversation_of(voices, np.random.default_rng(3), overlap=True)
    first = [len(turn) for turn in cut_turns(voices[0][0], np.random.default_rng(3))]
    assert [len(turn) for turn, (*_, who) in zip(talk.clean, talk.turns, strict=True) if who == 0] == first
    (overlap,) = talk.overlaps
    crossed = {who for a, b, who in talk.turns if a <= overlap[0] + 1e-6 and b >= overlap[1] - 1e-6}
    assert crossed == {0, 1}
    gaps = [b[0] - a[1] for a, b in zip(talk.turns, talk.turns[1:], strict=False)]
    assert sum(gap < -1e-6 for gap in gaps) == 1
    assert max(gaps) <= GAP_SECONDS[1]
    for (start, end, who), wav in zip(talk.turns, talk.clean, strict=True):
        assert talk.speaker_at(start, end) == who
        a, b = round(start * RATE), round(end * RATE)
        assert len(wav) == b - a
        if end <= overlap[0] or start >= overlap[1]:
            assert np.allclose(talk.wav[a:b], wav, atol=0.01)
            assert not np.allclose(talk.wav[a + RATE // 100 : b + RATE // 100], wav, atol=0.01)
    for start, end, who in talk.sounds:
        assert any(a - 1e-6 <= start < end <= b + 1e-6 and who == speaker for a, b, speaker in talk.turns)
