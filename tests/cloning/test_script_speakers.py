"""The speakers of a script's lines: by the name before the English, else by the turns at their time."""

import json
from pathlib import Path

import pytest
import soundfile
from cloning_stages import pipeline

from thesis_lib.cloning import CloningError, RecordingSpeakers, Request, Turn, check_script, clone_file
from thesis_lib.cloning.script import Script, ScriptSegment, read_script, write_script
from thesis_lib.cloning.script_speakers import with_speakers

TURNS = (Turn(0, 10, "1"), Turn(10, 12, "2"), Turn(12, 13, "1"), Turn(20, 30, "2"))


def speakers_with(turns=TURNS, labels="12"):
    return RecordingSpeakers(dict.fromkeys(labels), turns)


def lines(*spans, english="hello", speaker=None):
    return Script(segments=tuple(ScriptSegment(start=a, end=b, english=english, speaker=speaker) for a, b in spans))


def said(*texts, speakers=()):
    """A script with one line of a second for each text, one after the other."""
    labels = dict(enumerate(speakers))
    segments = (ScriptSegment(start=n, end=n + 1, english=x, speaker=labels.get(n)) for n, x in enumerate(texts))
    return Script(segments=tuple(segments))


def labels(script, speakers=None, **more):
    found, notes = with_speakers(Path("a.srt"), script, speakers or speakers_with(), **more)
    return [x.speaker for x in found.segments], notes


@pytest.mark.parametrize(
    ("span", "label"),
    [
        ((1, 2), "1"),
        ((9.5, 11), "2"),
        ((9, 11.5), "2"),
        ((9, 10.9), "1"),
        ((9.2, 13), "2"),  # 2 s of both: 0.8 + 1 s are less
        ((8.9, 13), "1"),  # 1.1 + 1 s in two turns are more
        ((25, 40), "2"),
    ],
)
def test_a_line_has_the_speaker_of_the_turns_that_overlap_it_most(span, label):
    found, notes = labels(lines(span))
    assert found == [label]
    assert notes == ("a.srt: 1 segments without a speaker have the one who speaks most at their times",)


def test_a_line_without_speech_has_the_nearest_speaker_and_a_note():
    found, (_, note) = labels(lines((14, 15), (17.8, 19), (13, 13.5), (31, 32)), delay=2.0)
    assert found == ["1", "2", "1", "2"]
    assert note == (
        "a.srt: no speech at 16.0-17.0, 19.8-21.0, 15.0-15.5, 33.0-34.0 s: the speaker is the nearest in time"
    )
    _, (_, note) = labels(lines(*((14 + n / 10, 14.1 + n / 10) for n in range(12))))
    assert "14.9-15.0 s and 2 more: the speaker" in note
    assert len(labels(lines((14, 15), english="..."))[1]) == 1, "nothing is spoken there"


def test_a_speaker_that_is_given_stays():
    script = lines((1, 2), speaker="2")
    assert with_speakers(Path("a.json"), script, speakers_with()) == (script, ())
    mixed = said("a", "b", speakers=["2"])
    assert labels(mixed)[0] == ["2", "1"]


def test_a_single_speaker_has_every_line():
    assert labels(lines((1, 2), (900, 901)), RecordingSpeakers({"1": None})) == (["1", "1"], ())


def test_all_lines_with_one_name_have_one_speaker():
    """The turns at the second line are of the other speaker."""
    turns = (Turn(0, 1, "1"), Turn(1, 3, "2"), Turn(3, 5, "1"))
    script = said("Ana: hi", "Ana: and: so", "Luis: yes", "Ana:", "Ana: b")
    found, notes = with_speakers(Path("a.srt"), script, speakers_with(turns))
    assert [(x.speaker, x.english) for x in found.segments] == [
        ("1", "hi"), ("1", "and: so"), ("2", "yes"), ("1", ""), ("1", "b"),
    ]  # fmt: skip
    assert found.speakers == {"1": "Ana", "2": "Luis"}
    assert len(notes) == 1


def test_more_names_than_voices_share_one_and_a_note_has_them():
    script = said("Ana: hi", "Eva: ho", "Ana: a", "Eva: b")
    found, notes = with_speakers(Path("a.srt"), script, speakers_with())
    assert [(x.speaker, x.english) for x in found.segments] == [("1", "hi"), ("1", "ho"), ("1", "a"), ("1", "b")]
    assert found.speakers == {}
    assert notes[1] == "a.srt: 'Ana', 'Eva' have one voice, that of speaker 1: give the number with --speakers"
    alone, notes = with_speakers(Path("a.srt"), script, RecordingSpeakers({"1": None}))
    assert [x.english for x in alone.segments] == ["hi", "ho", "a", "b"]
    assert notes == ("a.srt: 'Ana', 'Eva' have one voice, that of speaker 1: give the number with --speakers",)


@pytest.mark.parametrize(
    "texts",
    [
        ("Note: hello", "and bye", "Note: hello"),  # one line has no name
        ("Note: hello", "Note: bye"),  # one name only
        ("First: hello", "Second: bye"),  # no name stands twice
        ("x" * 41 + ": c", "a: b", "b: c", "a: d"),  # a name is short
        ("It is 10:30", "So: it is 10:30", "So: bye", "No: hi"),
    ],
)
def test_a_colon_in_a_sentence_is_spoken(texts):
    script = said(*texts)
    assert [x.english for x in with_speakers(Path("a.srt"), script, speakers_with())[0].segments] == list(texts)


def test_one_renamed_speaker_of_two_is_a_name():
    found, _ = with_speakers(Path("a.srt"), said("a", "Ana: b", "Ana: c", speakers=["2"]), speakers_with())
    assert [(x.speaker, x.english) for x in found.segments] == [("2", "a"), ("1", "b"), ("1", "c")]
    assert found.speakers == {"1": "Ana"}


@pytest.fixture
def cloned(levels, dialogue, rendered, tmp_path):
    """Clone with a script; returns the samples, the voices that were rendered, what was said, and the notes."""

    def clone(name="talk.srt", speakers=2):
        rendered.clear()
        made = pipeline(levels)
        request = Request(script=tmp_path / name, speakers=speakers, subtitles=True)
        result = clone_file(made, dialogue, tmp_path / "out.wav", request)
        texts = [text for text, *_ in made.synthesizer.said]
        return (
            soundfile.read(tmp_path / "out.wav", dtype="int16")[0],
            ["21"[voice] for voice in rendered],
            texts,
            result.notes,
        )

    return clone


def srt(*subtitles):
    return "".join(f"00:00:{a:06.3f} --> 00:00:{b:06.3f}\n{text}\n\n" for a, b, text in subtitles)


@pytest.mark.parametrize("speakers", [2, "auto"])
def test_the_lines_of_a_translated_srt_are_spoken_in_the_voices_of_who_speaks_then(cloned, tmp_path, speakers):
    script = tmp_path / "talk.srt"
    script.write_text(srt((0.5, 2, "one"), (2.8, 6, "two"), (7, 8, "three"), (8.5, 10, "four")))
    before, voices, texts, notes = cloned(speakers=speakers)
    assert voices == ["1", "2", "1", "1"]
    assert texts == ["one", "two", "three", "four"]
    assert f"{script}: no speech at 7.0-8.0 s: the speaker is the nearest in time" in notes
    subtitles = (tmp_path / "out.en.srt").read_text()
    assert all(x in subtitles for x in ("Speaker 1: one", "Speaker 2: two", "Speaker 1: three", "Speaker 1: four"))
    assert "00:00:02.800 --> 00:00:06.000\ntwo" in script.read_text(), "a script that is read is not changed"
    again, voices, _, notes = cloned(speakers=speakers)
    assert voices == []
    assert (again == before).all()
    assert any("4 segments without a speaker" in note for note in notes)


def test_an_srt_script_is_written_with_names_that_are_kept(cloned, tmp_path):
    script = tmp_path / "talk.srt"
    before, voices, *_ = cloned()
    assert voices == ["1", "2", "1"]
    text = script.read_text()
    assert [line for line in text.splitlines() if "hello" in line] == [
        f"Speaker {n}: hello my friend" for n in (1, 2, 1)
    ]
    again, voices, _, notes = cloned()
    assert (voices, (again == before).all()) == ([], True)
    assert not any("without a speaker" in note for note in notes)
    place = text.rindex("Speaker 1")
    script.write_text(text[:place] + "Speaker 2" + text[place + 9 :])
    _, voices, texts, _ = cloned()
    assert (voices, texts) == (["2"], ["hello my friend"])
    script.write_text(text.replace("Speaker 1", "Ana"))
    again, voices, _, _ = cloned()
    assert (voices, (again == before).all()) == (["1"], True), "the last line is spoken by Ana again"
    assert "Ana: hello my friend" in (tmp_path / "out.en.srt").read_text()


def test_a_json_line_without_a_speaker_has_who_speaks_then(cloned, tmp_path):
    cloned("talk.json")
    path = tmp_path / "talk.json"
    tree = json.loads(path.read_text())
    before = [line["speaker"] for line in tree["segments"]]
    tree["segments"] = [line | {"speaker": None} for line in tree["segments"]]
    path.write_text(json.dumps(tree))
    assert cloned("talk.json")[1] == []
    assert before == ["1", "2", "1"]


@pytest.mark.parametrize(
    ("speakers", "message"), [(1, "write '1', or give --speakers auto"), (2, "write one of '1', '2'"), ("auto", "")]
)
def test_the_name_of_an_unknown_speaker_is_refused_on_one_line(cloned, dialogue, tmp_path, speakers, message):
    script, out = tmp_path / "talk.srt", tmp_path / "out.wav"
    script.write_text(srt((0.5, 2, "one"), (4, 6, "Speaker 3: two")))
    out.write_bytes(b"earlier")
    expected = rf"talk\.srt, subtitle 2: the speaker '3' is unknown: {message}"
    with pytest.raises(CloningError, match=expected) as error:
        cloned(speakers=speakers)
    assert "\n" not in str(error.value)
    assert out.read_bytes() == b"earlier"
    if speakers != "auto":
        with pytest.raises(CloningError, match=expected):  # before the networks are loaded
            check_script(dialogue, out, script, speakers=speakers)


def test_given_names_are_written_to_srt_and_read_again(dialogue, tmp_path):
    path, names = tmp_path / "a.srt", {"1": "Ana", "2": "Luis\nPeña: Jr", "3": "Eva"}
    spans = ((1.0, 2.0, "1"), (3.0, 4.0, "2"), (5.0, 6.0, None))
    segments = [ScriptSegment(start=a, end=b, english="hello\n\nthere", speaker=x) for a, b, x in spans]
    write_script(path, dialogue, segments, names)
    assert "\nAna: hello there\n" in path.read_text()
    found = read_script(path, dialogue, names)
    assert [(x.speaker, x.english) for x in found.segments] == [(x, "hello there") for *_, x in spans]
    assert found.speakers == {"1": names["1"], "2": names["2"]}
    write_script(path, dialogue, [segments[0], segments[2]], names)
    assert "Ana" not in path.read_text(), "one speaker has no name"
    write_script(path, dialogue, segments)
    assert [x.speaker for x in read_script(path, dialogue).segments] == ["1", "2", None]
