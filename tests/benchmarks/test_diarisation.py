"""The errors of a diarisation, and the sentences that the book has from it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import diarisation
from benchmarks.conversations import Conversation
from benchmarks.diarisation import ERRORS, KINDS, OURS, SOURCE, TOTAL, TTS, UNTESTED, errors, nearest, summary
from thesis_lib import reporting
from thesis_lib.audio.voice_activity import RATE, Segment
from thesis_lib.cloning.diarisation import Diarisation, Turn
from thesis_lib.validation.metrics import share_interval

ROOT = Path(__file__).parents[2]


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
    speakers = SimpleNamespace(segments=lambda path: segments, of=lambda translated: None)
    made = SimpleNamespace(content=None, wav=np.full(9, 9.0))
    pipeline = SimpleNamespace(sample_rate=RATE, synthesise_one=lambda *given: made)
    kokoro = SimpleNamespace(content=lambda *given: np.full(9, 8.0))  # the student's samples are no speech
    monkeypatch.setattr(diarisation, "with_kokoros_speech", lambda given: kokoro)
    embedded = []
    monkeypatch.setattr(diarisation, "speakers_of_diarisation", lambda *given: speakers)
    monkeypatch.setattr(
        diarisation, "embed", lambda encoder, wav, rate: embedded.append(set(wav.tolist())) or np.ones(2)
    )
    turns = list(diarisation.turns_of(pipeline, 7, "human", talk, found((0.0, 6.0, "1")), None))
    outputs = diarisation.outputs_of(pipeline, turns, None)
    assert [row["system"] for row in outputs.rows] == [SOURCE, TTS, OURS, SOURCE, TTS, OURS]
    assert {(row["conversation"], row["chance"]) for row in outputs.rows} == {(7, 1 / 3)}
    assert {(row["turn"], row["reason"]) for row in outputs.missing} == {
        (2, "a speaker of the conversation has no other turn to enrol")
    }
    assert embedded.count({8}) == 2
    assert [x for x in embedded if not x & {8, 9}] == [{2}, {1, 3}, {4}, {0, 2}, {1}, {4}]


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
