"""A voice for every speaker of a recording: `thesis clone --speakers`."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, PLAIN, ByLevel, Translator, pipeline, write_dialogue
from helpers import chords, spoken

from thesis_lib.audio.files import AudioError, write_audio
from thesis_lib.audio.voice_activity import RATE
from thesis_lib.cloning import CloningError, FolderSettings, Request, check_live, clone_file
from thesis_lib.cloning.translation import Translated
from thesis_lib.config import CloningConfig


def test_each_segment_is_of_one_speaker_and_in_its_voice(levels, dialogue, tmp_path, rendered):
    made = pipeline(levels)
    request = Request(speakers="auto", subtitles=True, script=tmp_path / "talk.json")
    result = clone_file(made, dialogue, tmp_path / "out.wav", request)
    tree = json.loads(request.script.read_text())
    lines = tree["segments"]
    assert [line["speaker"] for line in lines] == ["1", "2", "1"]
    assert tree["speakers"] == {"1": "Speaker 1", "2": "Speaker 2"}
    assert lines[0]["end"] == lines[1]["start"]
    assert lines[0]["end"] == pytest.approx(3.1, abs=0.4)
    assert rendered == [1, 0, 1]
    assert result.speakers == 2
    assert any("speakers: 1 (6" in note and "2 (3" in note for note in result.notes)
    assert made.translator.contexts == ["", "", ""], "an unfinished sentence goes on in the same voice only"
    for language, text in (("en", "hello my friend"), ("es", "hola amigo")):
        shown = (tmp_path / f"out.{language}.vtt").read_text()
        assert [line for line in shown.splitlines() if text in line] == [
            f"Speaker {number}: {text}" for number in (1, 2, 1)
        ]


def test_the_context_of_a_speaker_goes_on_after_a_pause(levels, dialogue):
    from thesis_lib.cloning.recording_speakers import speakers_of_recording

    made = pipeline(levels)
    segments = list(speakers_of_recording(made, dialogue, 2).segments(dialogue))
    list(made.translate([segments[0], replace(segments[2], speaker="1"), segments[1]]))
    assert made.translator.contexts == ["", "hello my friend", ""]


def test_a_line_that_is_given_to_another_speaker_is_spoken_in_that_voice(levels, dialogue, tmp_path, rendered):
    path, out = tmp_path / "talk.json", tmp_path / "out.wav"

    def clone(**changes):
        rendered.clear()
        tree = json.loads(path.read_text()) if path.exists() else None
        if changes:
            tree["segments"][-1] |= changes
            path.write_text(json.dumps(tree))
        clone_file(pipeline(levels), dialogue, out, Request(speakers=2, script=path, subtitles=True))
        return soundfile.read(out, dtype="int16")[0], list(rendered)

    before, voices = clone()
    assert voices == [1, 0, 1]
    start = round(json.loads(path.read_text())["segments"][-1]["start"] * HZ)
    for speaker, voice in (("2", 0), ("1", 1)):
        after, voices = clone(speaker=speaker)
        assert voices == [voice]
        assert np.array_equal(before[:start], after[:start])
        assert np.array_equal(before, after) == (speaker == "1")
    assert clone()[1] == []
    tree = json.loads(path.read_text())
    path.write_text(json.dumps(tree | {"speakers": {"1": "Ana", "2": "Luis"}}))
    assert np.array_equal(clone()[0], before)
    assert "Luis: hello" in (tmp_path / "out.en.srt").read_text()
    path.write_text(json.dumps(tree | {"speakers": {"3": "Eva"}}))
    with pytest.raises(CloningError, match=r"talk\.json, speakers: the speaker '3' is unknown: write one of '1', '2'"):
        clone()


def test_voices_that_are_lost_are_extracted_again(levels, dialogue, tmp_path):
    path, out = tmp_path / "talk.json", tmp_path / "out.wav"
    request = Request(speakers=2, script=path)
    clone_file(pipeline(levels), dialogue, out, request)
    before = out.read_bytes()
    for stored in (tmp_path / "talk.json.cache").iterdir():
        stored.unlink()
    clone_file(pipeline(levels), dialogue, out, request)
    assert out.read_bytes() == before


def test_auto_changes_no_sample_of_one_speaker(stages, recording, tmp_path):
    one, auto = tmp_path / "one.wav", tmp_path / "auto.wav"
    levels = (ByLevel(stages[0]), *stages[1:])
    clone_file(pipeline(levels), recording, one)
    result = clone_file(pipeline(levels), recording, auto, Request(speakers="auto", subtitles=True))
    assert auto.read_bytes() == one.read_bytes()
    assert result.speakers == 1
    assert "Speaker" not in (tmp_path / "auto.en.srt").read_text()


def test_a_speaking_style_is_for_every_speaker(levels, dialogue, tmp_path):
    from thesis_lib.cloning.recording_speakers import speakers_of_recording

    write_audio(tmp_path / "style.wav", spoken(4), HZ)
    plain, styled = (
        speakers_of_recording(pipeline(levels), dialogue, 2, (), path) for path in (None, tmp_path / "style.wav")
    )
    for label in ("1", "2"):
        a, b = plain.by_label[label].voice, styled.by_label[label].voice
        assert np.array_equal(a.speaker, b.speaker)
        assert not np.array_equal(a.emotion, b.emotion)


class Identifier(Translator):
    """Substitute for Whisper that takes loud speech for a language."""

    def __init__(self, loud):
        super().__init__()
        self.loud = loud

    def language(self, wav, sample_rate):
        return (self.loud, 0.99) if np.sqrt(np.mean(wav**2)) > 0.01 else ("es", 0.99)

    def __call__(self, wav, *given):
        language, probability = self.language(wav, RATE)
        return replace(super().__call__(wav, *given), language=language, language_probability=probability)


@pytest.fixture
def announced(tmp_path):
    """Six seconds of loud speech, and after a pause three of quiet speech; without the quiet noise of pauses."""
    wav = soundfile.read(write_dialogue(tmp_path / "talk.wav"), dtype="float32")[0]
    loud, quiet = wav[: 3 * HZ], 0.1 * wav[: 3 * HZ]
    pause = np.zeros(HZ, np.float32)
    write_audio(tmp_path / "talk.wav", np.concatenate([pause, loud, pause, loud, pause, quiet, pause]), HZ)
    return tmp_path / "talk.wav"


@pytest.mark.parametrize(
    ("loud", "language", "voices"), [("en", "auto", [0]), ("es", "auto", [1] * 3), ("en", "es", [1] * 3)]
)
def test_the_voice_is_that_of_translated_speech(
    levels, announced, tmp_path, rendered, monkeypatch, loud, language, voices
):
    monkeypatch.setattr("thesis_lib.cloning.translation.MAX_ANALYSED_SECONDS", 5.0)
    made = pipeline(levels, PLAIN.model_copy(update={"language": language}))
    made.translator = Identifier(loud)
    for options in ({}, {"script": tmp_path / "s.json"}, {"speakers": 1, "subtitles": True}):
        rendered.clear()
        clone_file(made, announced, tmp_path / "out.wav", Request(**options))
        assert rendered == voices
    rendered.clear()
    made(soundfile.read(announced, dtype="float32")[0], HZ)
    assert rendered == voices
    rendered.clear()
    clone_file(made, announced, tmp_path / "out.wav", Request(text="hello my friend"))
    assert rendered == [1], "a given text is spoken in the voice of all speech"


@pytest.mark.parametrize(
    ("foreign", "quota", "kept"),
    [
        ((), 20.0, (0, 1)),
        ((0,), 20.0, (1,)),
        ((0,), 3.0, (1,)),
        ((), 3.0, (0,)),
        ((0, 1), 20.0, (0, 1)),
    ],
)
def test_the_voice_of_each_speaker_is_that_of_translated_speech(levels, dialogue, monkeypatch, foreign, quota, kept):
    """The first speaker has two turns, of which the language is identified, the longest first; the second has one."""
    from thesis_lib.cloning.recording_speakers import speakers_of_recording

    monkeypatch.setattr("thesis_lib.cloning.recording_speakers.MAX_EMBEDDED_SECONDS", quota)
    made = pipeline(levels)
    made.translator, identified, analysed = Identifier("es"), [], []
    analyse_speaker = made.analyse_speaker

    def language(wav, sample_rate):
        identified.append(wav)
        return ("en" if len(identified) - 1 in foreign else "es"), 0.99

    def analyse(segments, *given, **options):
        analysed.append([segment.wav for segment in segments])
        return analyse_speaker(segments, *given, **options)

    made.translator.language = language
    monkeypatch.setattr(made, "analyse_speaker", analyse)
    speakers_of_recording(made, dialogue, 2)
    first, second = analysed
    found = tuple(n for n, turn in enumerate(identified) if any(turn is wav for wav in first))
    assert found == kept, "all turns of a speaker of whom nothing is translated"
    assert len(second) == 1
    assert not any(second[0] is turn for turn in identified), "an only turn is used, whatever its language"


def test_another_language_setting_extracts_the_voice_of_a_script_again(levels, announced, tmp_path, rendered):
    script = tmp_path / "s.json"
    for language, voices in (("auto", [0]), ("auto", []), ("es", [1]), ("es", []), ("auto", [0])):
        rendered.clear()
        made = pipeline(levels, PLAIN.model_copy(update={"language": language}))
        made.translator = Identifier("en")
        clone_file(made, announced, tmp_path / "out.wav", Request(script=script))
        assert rendered == voices


def test_nothing_changes_where_everything_is_spanish(stages, recording, talk, tmp_path):
    made, plain = pipeline(stages), tmp_path / "plain.wav"
    clone_file(made, recording, plain)
    samples = made(talk, HZ).wav
    made.translator = Identifier("es")
    clone_file(made, recording, tmp_path / "out.wav")
    assert (tmp_path / "out.wav").read_bytes() == plain.read_bytes()
    assert np.array_equal(made(talk, HZ).wav, samples)


def test_a_recording_without_spanish_is_refused_by_its_language(levels, announced, tmp_path):
    made = pipeline(levels)
    made.translator = Identifier("en")
    made.translator.language = lambda wav, sample_rate: ("en", 0.99)
    with pytest.raises(AudioError, match=r"talk\.wav: the language of the speech is 'en'"):
        clone_file(made, announced, tmp_path / "out.wav")


@pytest.mark.parametrize("speakers", [0, -1, 21, "0", "two", 1.5, ""])
def test_a_number_of_speakers_that_is_none(speakers):
    with pytest.raises(CloningError, match=f"--speakers {speakers}: give auto, or a number from 1 to 20"):
        Request(speakers=speakers)


def test_options_that_are_for_one_voice(tmp_path):
    for option in ({"text": "hi"}, {"content": tmp_path}, {"voice_from": (tmp_path,)}, {"adapt": 1.0}):
        with pytest.raises(CloningError, match="--speakers 2 gives each speaker a voice"):
            Request(speakers=2, **option)
        Request(speakers=1, **option)
    with pytest.raises(CloningError, match="--speakers, --credentials and --background keep need a file"):
        check_live(Request(speakers=2), CloningConfig())


@pytest.mark.parametrize(
    ("speakers", "label", "message"),
    [
        (1, "2", "write '1', or give --speakers auto"),
        (2, "3", "write one of '1', '2'"),
        (20, "30", "write one of '1' to '20'"),
        ("auto", "30", "write one of '1' to '20'"),
        ("auto", "3", "write one of '1', '2'"),
    ],
)
def test_a_script_with_an_unknown_speaker_is_refused(levels, dialogue, tmp_path, speakers, label, message):
    path, out = tmp_path / "s.json", tmp_path / "out.wav"
    path.write_text(json.dumps({"segments": [{"start": 0, "end": 1, "english": "hi", "speaker": label}]}))
    out.write_bytes(b"earlier")
    with pytest.raises(CloningError, match=f"segment 1: the speaker '{label}' is unknown: {message}"):
        clone_file(pipeline(levels), dialogue, out, Request(speakers=speakers, script=path))
    assert out.read_bytes() == b"earlier"


def test_speakers_that_cannot_be_told_apart_leave_earlier_results(levels, dialogue, tmp_path):
    out = tmp_path / "out.wav"
    out.write_bytes(b"earlier")
    with pytest.raises(
        CloningError, match=r"talk\.wav: 5 speakers cannot be told apart.*--speakers 2 or auto"
    ) as error:
        clone_file(pipeline(levels), dialogue, out, Request(speakers=5))
    assert "\n" not in str(error.value)
    write_audio(tmp_path / "music.wav", chords(), HZ)
    for speakers in (2, "auto"):
        with pytest.raises(AudioError, match=r"music\.wav: no speech"):
            clone_file(pipeline(levels), tmp_path / "music.wav", out, Request(speakers=speakers))
    assert out.read_bytes() == b"earlier"


def test_a_recording_of_a_second(levels, tmp_path):
    write_audio(tmp_path / "short.wav", np.concatenate([spoken(0)[HZ // 2 : 3 * HZ // 2], np.zeros(HZ)]), HZ)
    result = clone_file(pipeline(levels), tmp_path / "short.wav", tmp_path / "out.wav", Request(speakers="auto"))
    assert result.speakers == 1
    with pytest.raises(CloningError, match="2 speakers cannot be told apart.*--speakers 1 or auto"):
        clone_file(pipeline(levels), tmp_path / "short.wav", tmp_path / "out.wav", Request(speakers=2))


class ByPeak(ByLevel):
    """Substitute encoder: speaker 2 is quiet, and clipped speech is nearer to it than to speaker 1."""

    def encode(self, wav):
        vector = super().encode(wav)
        if np.abs(wav).max() > 0.9:
            vector[:] = 0
            vector[:3] = 0.2, 0.0, 1.0
        return vector


def write_clipped(path):
    """Speaker 1 loud, speaker 2 quiet, speaker 3 at full scale, a second apart."""
    write_dialogue(path)
    wav = soundfile.read(path, dtype="float32")[0]
    loud, pause = wav[: 3 * HZ], np.zeros(HZ, np.float32)
    clipped = np.clip(200 * loud, -1, 1)
    write_audio(path, np.concatenate([loud, pause, 0.1 * loud, pause, clipped, pause]), HZ)
    return path


def test_a_speaker_with_clipped_speech_has_the_voice_of_the_nearest_speaker(stages, tmp_path, rendered):
    source, out = write_clipped(tmp_path / "talk.wav"), tmp_path / "out.wav"
    made = pipeline((ByPeak(stages[0]), *stages[1:]))
    result = clone_file(made, source, out, Request(speakers="auto", script=tmp_path / "s.json"))
    assert result.speakers == 3
    assert rendered == [1, 0, 0]
    assert [line["speaker"] for line in json.loads((tmp_path / "s.json").read_text())["segments"]] == ["1", "2", "3"]
    (note,) = [note for note in result.notes if "clipping" in note]
    assert note.startswith(f"{source}, speaker 3: clipping; over 1 % of the samples are at full scale")
    assert "speaker 3 has the voice and the speaking style of speaker 2" in note


def test_the_voice_of_the_nearest_speaker_keeps_the_loudness_of_the_own_speech(stages, tmp_path):
    from thesis_lib.cloning.recording_speakers import speakers_of_recording

    speakers = speakers_of_recording(
        pipeline((ByPeak(stages[0]), *stages[1:])), write_clipped(tmp_path / "talk.wav"), "auto"
    )
    assert list(speakers.by_label) == ["1", "2", "3"]
    assert speakers.by_label["3"].prosody == speakers.by_label["2"].prosody
    assert speakers.by_label["3"].loudness > speakers.by_label["1"].loudness + 10 > speakers.by_label["2"].loudness + 25
    assert sum("clipping" in note for note in speakers.warnings) == 1


def test_a_recording_without_a_usable_speaker_is_refused(levels, dialogue, monkeypatch):
    from thesis_lib.cloning.recording_speakers import diarised, speakers_of_diarisation

    made = pipeline(levels)
    found = diarised(made, dialogue, 2)

    def refuse(segments, source, **given):
        raise AudioError("clipping", source, "record at a lower level")

    monkeypatch.setattr(made, "analyse_speaker", refuse)
    with pytest.raises(AudioError, match=r"talk\.wav, speaker 1: clipping"):
        speakers_of_diarisation(made, dialogue, found)


def test_overlaps_are_noted_with_their_times(levels, dialogue, monkeypatch):
    from thesis_lib.cloning.recording_speakers import diarised, speakers_of_diarisation

    found = diarised(pipeline(levels), dialogue, 2)
    places = tuple((2.0 * n, 2.0 * n + 1) for n in range(12))
    notes = speakers_of_diarisation(pipeline(levels), dialogue, replace(found, overlaps=places, auto_count=3)).notes
    assert any(note.endswith("--speakers auto would find 3, not 2 speakers") for note in notes)
    (note,) = [note for note in notes if "at once" in note]
    assert "at 0.0-1.0, 2.0-3.0," in note
    assert "18.0-19.0 s and 2 more" in note
    assert any("chosen for ecapa" in note for note in notes)


def test_a_folder_is_cloned_again_with_another_number_of_speakers(dialogue):
    one, two = (FolderSettings("default", PLAIN, Request(speakers=n)).key(dialogue, "v") for n in (1, 2))
    assert one != two
    assert one == FolderSettings("default", PLAIN, Request()).key(dialogue, "v")


def test_segments_that_are_left_out_keep_their_speaker(levels, dialogue, tmp_path):
    made, found = pipeline(levels), [Translated("a", "one."), Translated("", ""), Translated("b", "two.")]
    made.translator = lambda *given: found.pop(0)
    clone_file(made, dialogue, tmp_path / "out.wav", Request(speakers=2, script=tmp_path / "s.json"))
    lines = json.loads((tmp_path / "s.json").read_text())["segments"]
    assert [(line["speaker"], line["left_out"]) for line in lines] == [("1", False), ("2", True), ("1", False)]


def test_the_progress_of_the_diarisation_is_that_of_the_recording(levels, dialogue, tmp_path):
    found = []

    def progress(items, total, label):
        for number, item in enumerate(items, 1):
            found.append((label, number, total))
            yield item

    clone_file(pipeline(levels), dialogue, tmp_path / "out.wav", Request(speakers="auto"), progress=progress)
    ticks = [(number, total) for label, number, total in found if label == "speakers"]
    assert ticks == [(number, 11) for number in range(1, 12)]
    assert found[: len(ticks)] == [("speakers", *tick) for tick in ticks], "before anything is synthesised"
