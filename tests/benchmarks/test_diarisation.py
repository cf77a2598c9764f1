"""Conversations with known turns, the errors of a diarisation, and the sentences that the book has from it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import spoken

from benchmarks import conversations, diarisation
from benchmarks.conversations import GAP_SECONDS, MIN_TURN_SECONDS, Conversation, cut, mixed, sounds
from benchmarks.diarisation import ERRORS, KINDS, OURS, SOURCE, TOTAL, TTS, UNTESTED, errors, nearest, summary
from thesis_lib import reporting
from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.cloning.diarisation import Diarisation, Turn
from thesis_lib.validation.metrics import share_interval

ROOT = Path(__file__).parents[2]


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
    turns = cut(wav, np.random.default_rng(0))
    assert [len(turn) / RATE for turn in turns] == [3.5, 3.5, 3.5, 3.5, 3.9 + MIN_TURN_SECONDS / 2 + 0.2]
    assert np.array_equal(turns[0], wav[RATE // 2 : 4 * RATE])
    assert [len(turn) for turn in cut(tones((0.2, 0.5), seconds=1), np.random.default_rng(0))] == [0.3 * RATE]


def test_the_reference_is_not_made_by_the_measured_system():
    """Neither the voice activity detection nor the search of the quietest place."""
    assert not {"speech_segments", "quietest", "windows_of"} & set(vars(conversations))


def test_a_conversation_has_all_speech_at_the_times_of_its_turns():
    voices = [[spoken(0, RATE)], [spoken(9, RATE), spoken(10, RATE)]]
    talk = mixed(voices, np.random.default_rng(3), overlap=True)
    first = [len(turn) for turn in cut(voices[0][0], np.random.default_rng(3))]
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


def conversation(*turns, overlaps=(), sounded=None):
    end = max(end for _, end, _ in turns)
    clean = tuple(np.full(int(RATE * (b - a)), n, np.float32) for n, (a, b, _) in enumerate(turns))
    return Conversation(np.zeros(int(RATE * end)), turns, sounded or turns, overlaps, clean)


def test_the_clean_speech_of_an_enrolment_is_without_the_tested_turn():
    talk = conversation((0.0, 1.0, 0), (1.0, 2.0, 1), (2.0, 4.0, 0), (3.5, 5.0, 1))
    assert set(talk.clean_without(0, 2.2, 3.0).tolist()) == {0}
    assert set(talk.clean_without(1, 2.2, 3.0).tolist()) == {1, 3}
    assert set(talk.clean_without(1, 2.2, 3.6).tolist()) == {1}
    assert len(talk.clean_without(0, 0.5, 3.0)) == 0


def found(*turns):
    return Diarisation(tuple(Turn(*turn) for turn in turns))


def seconds(talk, *turns):
    return tuple(errors(talk, found(*turns)).values())


def test_the_errors_are_those_of_the_best_map_of_speakers():
    """Missed, false alarm, confusion, speech of the reference."""
    talk = conversation((0.0, 4.0, 0), (5.0, 8.0, 1))
    assert seconds(talk, (0.0, 4.0, "1"), (5.0, 8.0, "2")) == (0, 0, 0, 7)
    assert seconds(talk, (0.0, 4.0, "1"), (5.0, 6.0, "1"), (6.0, 8.0, "2")) == (0, 0, 1, 7)
    assert seconds(talk, (0.0, 8.0, "1")) == (0, 1, 3, 7)
    assert seconds(talk, (0.0, 2.0, "1"), (2.0, 4.0, "2"), (5.0, 8.0, "3")) == (0, 0, 2, 7)
    assert seconds(talk, (0.5, 4.5, "1")) == (3.5, 0.5, 0, 7)
    overlapped = conversation((0.0, 4.0, 0), (3.0, 8.0, 1), overlaps=((3.0, 4.0),))
    assert seconds(overlapped, (0.0, 3.0, "1"), (3.0, 8.0, "2")) == (1, 0, 0, 9)
    assert seconds(overlapped, (0.0, 8.0, "1")) == (1, 0, 3, 9)
    paused = conversation((0.0, 4.0, 0), sounded=((0.0, 1.0, 0), (2.0, 4.0, 0)))
    assert seconds(paused, (0.0, 4.0, "1")) == (0, 1, 0, 3)


def test_a_segment_is_not_compared_with_itself(monkeypatch):
    """Each turn's samples are its number; the only turn of speaker 2 cannot be tested."""
    talk = conversation((0.0, 1.0, 0), (1.0, 2.0, 1), (2.0, 4.0, 0), (4.0, 5.0, 1), (5.0, 6.0, 2))
    segments = [Segment(a, b, np.full(int(RATE * (b - a)), 9.0)) for a, b in ((0.0, 1.0), (4.0, 5.0), (5.0, 6.0))]
    cast = SimpleNamespace(segments=lambda path: segments, of=lambda translated: None)
    made = SimpleNamespace(content=np.full(9, 9.0), wav=np.full(9, 9.0))
    pipeline = SimpleNamespace(sample_rate=RATE, synthesise_one=lambda *given: made)
    embedded = []
    monkeypatch.setattr(diarisation, "cast_from", lambda *given: cast)
    monkeypatch.setattr(
        diarisation, "embed", lambda encoder, wav, rate: embedded.append(set(wav.tolist())) or np.ones(2)
    )
    rows = list(diarisation._outputs(pipeline, talk, found((0.0, 6.0, "1")), None))
    assert [row["system"] for row in rows] == [SOURCE, TTS, OURS, SOURCE, TTS, OURS, UNTESTED]
    assert [x for x in embedded if x != {9}] == [{2}, {1, 3}, {4}, {0, 2}, {1}, {4}]


def test_the_shares_are_of_their_kind_and_system():
    rows = [
        {"kind": kind} | {f"{name}, {mode}": value for mode in ("auto", "known") for name, value in parts.items()}
        for kind, parts in zip(
            (*KINDS, KINDS[0]),
            ({"missed": 1.0, "false alarm": 2.0, "confusion": x, "speech": 10.0} for x in (0.0, 1.0, 2.0, 1.0)),
            strict=True,
        )
    ]
    shares = {(row["conversations"], row["speakers"], row["error"]): row for row in summary(rows)}
    assert [shares["all", "auto", name]["share"] for name in (*ERRORS, TOTAL)] == pytest.approx([0.1, 0.2, 0.1, 0.4])
    assert (shares["human", "known", "confusion"]["share"], shares["human", "known", TOTAL]["n"]) == (0.05, 2)
    assert ("Spanish", "auto", TOTAL) not in shares, "an interval needs two conversations"
    without = summary([row | {"confusion, auto": 0.0} for row in rows])
    row = next(row for row in without if (row["conversations"], row["error"]) == ("all", "confusion"))
    assert (row["share"], row["low"], row["high"]) == (0, None, None), "no error gives no interval of width 0"
    outputs = [
        {"conversation": n, "kind": KINDS[n % 2], "system": system, "right": right, "chance": 0.5}
        for n in range(4)
        for system, right in ((SOURCE, True), (TTS, False), (OURS, n % 2 == 0))
    ]
    outputs.append({"conversation": 0, "kind": "human", "system": UNTESTED})
    found = {(row["conversations"], row["system"]): row for row in nearest(outputs)}
    shares = {key: row["share"] for key, row in found.items()}
    assert (shares["all", SOURCE], shares["all", TTS], shares["all", OURS]) == (1, 0, 0.5)
    assert (shares["human", OURS], shares["Spanish", OURS]) == (1, 0)
    assert found["all", SOURCE]["n"] == 4
    assert found["all", SOURCE]["low"] < 0.6, "four of four do not show that all are right"
    assert found["all", TTS]["high"] > 0.4


def sentences(saved: dict) -> list[str]:
    """What the book says of the saved result."""
    rows = {(row["conversations"], row["speakers"], row["error"]): row for row in saved["rows"]}
    shares = {(row["conversations"], row["system"]): row for row in saved["nearest"]}

    def percent(mode, error):
        row = rows["all", mode, error]
        return f"{100 * row['share']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"

    def share(row):
        return f"{100 * row['share']:.0f} % [{100 * row['low']:.0f}, {100 * row['high']:.0f}]"

    def of(kind, system):
        return f"{share(shares[kind, system])}, n = {shares[kind, system]['n']}"

    def exact(found, count):
        return share(dict(zip(("share", "low", "high"), share_interval(np.arange(count) < found), strict=True)))

    right = sum(real == number for real, number in saved["number of speakers"])
    overlaps, many, count = saved["overlaps"], saved["one speaker too many"], saved["conversations"]
    false = overlaps["false"] or "no"
    return [
        f"n = {count} conversations, {saved['seconds'] / 60:.1f} minutes",
        f"With `auto` the speaker confusion is {percent('auto', 'confusion')} of the speech",
        f"With the number given, the confusion is {percent('known', 'confusion')}",
        f"{percent('auto', 'missed')} are missed, and false alarms are {percent('auto', 'false alarm')}",
        f"a diarisation error rate of {percent('auto', TOTAL)}",
        f"`auto` finds the right number of speakers in {right} of {count} conversations, "
        f"{share(saved['right number'])}",
        f"the output's own speaker for {of('all', OURS).replace(', n =', ' of n =')} outputs",
        f"For human speakers alone it is {of('human', OURS)}",
        f"for the synthesizer before conversion {of('all', TTS)}",
        f"for source turns {of('all', SOURCE)}",
        f"{saved[UNTESTED]} segments have no other turn",
        f"{overlaps['noted']} of {overlaps['real']} overlaps were noted, "
        f"{exact(overlaps['noted'], overlaps['real'])}, and {false} note was false",
        f"One speaker too many was refused in {many['refused']} of {many['asked']} conversations, "
        f"{exact(many['refused'], many['asked'])}",
    ]


def test_the_book_has_the_saved_numbers():
    page = (ROOT / "book" / "limitations.md").read_text()
    for sentence in sentences(reporting.benchmark("diarisation")):
        assert sentence in page, sentence
