"""Conversations with known turns, the confusion of a diarisation, and the sentences that the book has from it."""

from pathlib import Path

import numpy as np
import pytest
from helpers import spoken

from benchmarks.conversations import GAP_SECONDS, Conversation, cut, mixed
from benchmarks.diarisation import KINDS, OURS, SOURCE, TTS, confusion, nearest, summary
from thesis_lib import reporting
from thesis_lib.audio.voice_activity import RATE
from thesis_lib.cloning.diarisation import Diarisation, Turn

ROOT = Path(__file__).parents[1]


def test_a_conversation_has_all_speech_at_the_times_of_its_turns():
    voices = [[spoken(0, RATE)], [spoken(9, RATE), spoken(10, RATE)]]
    talk = mixed(voices, np.random.default_rng(3), overlap=True)
    assert sum(len(turn) for wavs in voices for wav in wavs for turn in cut(wav, np.random.default_rng(0))) == sum(
        map(len, talk.clean)
    )
    ((start, end),) = talk.overlaps
    for speaker in (0, 1):
        own = [(a, b) for a, b, who in talk.turns if who == speaker]
        assert sum(b - a for a, b in own) == pytest.approx(len(talk.clean[speaker]) / RATE, abs=0.01)
        (a, b) = next((a, b) for a, b in own if a < end and b > start)
        assert a <= start + 1e-6
        assert b >= end - 1e-6
    gaps = [b[0] - a[1] for a, b in zip(talk.turns, talk.turns[1:], strict=False)]
    assert sum(gap < -1e-6 for gap in gaps) == 1
    assert max(gaps) <= GAP_SECONDS[1]
    first = talk.turns[0]
    assert talk.speaker_at(first[0], first[1]) == first[2]
    a, b = (round(t * RATE) for t in first[:2])
    assert np.allclose(talk.wav[a : a + RATE // 2], talk.clean[first[2]][: RATE // 2], atol=0.01)
    assert (a, b) != (0, 0)


def conversation(*turns, overlaps=()):
    end = max(end for _, end, _ in turns)
    return Conversation(np.zeros(int(RATE * end)), turns, overlaps, (np.zeros(1),) * (1 + max(x[2] for x in turns)))


def found(*turns):
    return Diarisation(tuple(Turn(*turn) for turn in turns))


def test_the_confusion_is_the_time_of_wrong_speakers_under_the_best_map():
    talk = conversation((0.0, 4.0, 0), (5.0, 8.0, 1))
    assert confusion(talk, found((0.0, 4.0, "1"), (5.0, 8.0, "2"))) == (0, 7)
    assert confusion(talk, found((0.0, 4.0, "1"), (5.0, 6.0, "1"), (6.0, 8.0, "2"))) == (1, 7)
    assert confusion(talk, found((0.0, 8.0, "1"))) == (3, 7)
    assert confusion(talk, found((0.0, 2.0, "1"), (2.0, 4.0, "2"), (5.0, 8.0, "3"))) == (2, 7)
    overlapped = conversation((0.0, 4.0, 0), (3.0, 8.0, 1), overlaps=((3.0, 4.0),))
    assert confusion(overlapped, found((0.0, 8.0, "1"))) == (3, 7)


def test_the_shares_are_of_their_kind_and_system():
    rows = [
        {"kind": kind, **{f"{name}, {mode}": value for mode in ("auto", "known") for name, value in pair.items()}}
        for kind, pair in zip(KINDS, ({"wrong": x, "seconds": 10.0} for x in (0.0, 1.0, 2.0)), strict=True)
    ]
    assert summary(rows)[0] | {"low": 0, "high": 0} == {
        "conversations": "all", "speakers": "auto", "n": 3, "confusion": 0.1, "low": 0, "high": 0
    }  # fmt: skip
    outputs = [
        {"conversation": n, "kind": KINDS[n % 2], "system": system, "right": right, "chance": 0.5}
        for n in range(4)
        for system, right in ((SOURCE, True), (TTS, False), (OURS, n % 2 == 0))
    ]
    shares = {(row["conversations"], row["system"]): row["share"] for row in nearest(outputs)}
    assert (shares["all", SOURCE], shares["all", TTS], shares["all", OURS]) == (1, 0, 0.5)
    assert (shares["human", OURS], shares["Spanish", OURS]) == (1, 0)


def sentences(saved: dict) -> list[str]:
    """What the book says of the saved result."""
    rows = {(row["conversations"], row["speakers"]): row for row in saved["rows"]}
    shares = {(row["conversations"], row["system"]): row for row in saved["nearest"]}

    def percent(row, name):
        return f"{100 * row[name]:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"

    def share(key):
        row = shares[key]
        return f"{100 * row['share']:.0f} % [{100 * row['low']:.0f}, {100 * row['high']:.0f}], n = {row['n']}"

    right = sum(real == number for real, number in saved["number of speakers"])
    overlaps, many = saved["overlaps"], saved["one speaker too many"]
    return [
        f"the speaker confusion is {percent(rows['all', 'auto'], 'confusion')} with `auto`",
        f"{percent(rows['all', 'known'], 'confusion')} with the number given",
        f"n = {saved['conversations']} conversations, {saved['seconds'] / 60:.1f} minutes",
        f"`auto` finds the right number of speakers in {right} of {saved['conversations']}",
        f"its own speaker's voice: {share(('all', OURS))} outputs",
        f"human speakers alone {share(('human', OURS))}",
        f"the synthesizer before conversion {share(('all', TTS))}",
        f"{overlaps['noted']} of {overlaps['real']} overlaps were noted, and {overlaps['false']} notes were false",
        f"one speaker too many was refused in {many['refused']} of {many['asked']} conversations",
    ]


def test_the_book_has_the_saved_numbers():
    page = (ROOT / "book" / "limitations.md").read_text()
    for sentence in sentences(reporting.benchmark("diarisation")):
        assert sentence in page, sentence
