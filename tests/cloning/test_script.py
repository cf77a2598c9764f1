"""A script is written, edited and given back: only changed segments are synthesised again."""

import json
import tracemalloc

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, PLAIN, make, pipeline
from helpers import spoken

from thesis_lib.audio.files import AudioError, write_audio
from thesis_lib.cloning import FolderSettings, Request, check_script, clone_file, clone_folder, script
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.translation import Translated


@pytest.fixture
def cloned(stages, recording, tmp_path):
    """Clone with a script; returns the samples and what was synthesised."""

    def clone(name="talk.json", config=PLAIN, **options):
        made = pipeline(stages, config)
        request = Request(script=tmp_path / name, **options)
        result = clone_file(made, recording, tmp_path / "out.wav", request)
        return (
            soundfile.read(tmp_path / "out.wav", dtype="int16")[0],
            [said[0] for said in made.synthesizer.said],
            result,
        )

    return clone


def edited(path, **changes):
    """Change the last segment of a JSON script."""
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["segments"][-1] |= changes
    path.write_text(json.dumps(tree), encoding="utf-8")
    return tree


def test_a_script_says_what_was_recognised_and_what_is_said(cloned, tmp_path, recording):
    cloned()
    tree = json.loads((tmp_path / "talk.json").read_text(encoding="utf-8"))
    assert tree["recording"] == recording.name
    first, second = tree["segments"]
    assert first["spanish"] == "hola amigo"
    assert first["english"] == "hello my friend"
    assert 0.5 < first["start"] < first["end"] < second["start"] < second["end"] < soundfile.info(recording).duration
    assert first["speaker"] == "1"
    assert first["strength"] == 1.0
    assert 0.7 <= first["speed"] <= 1.25
    assert first["left_out"] is False
    assert first["notes"] == []


@pytest.mark.parametrize("name", ["talk.json", "talk.srt"])
def test_a_script_changes_no_sample_and_is_read_again_without_any_synthesis(cloned, stages, recording, tmp_path, name):
    with_script, said, _ = cloned(name)
    assert len(said) == 2
    again, said, result = cloned(name)
    assert said == []
    assert np.array_equal(again, with_script)
    assert "2 segments from the cache, 0 synthesised" in " ".join(result.notes)
    if name == "talk.json":
        clone_file(pipeline(stages), recording, tmp_path / "plain.wav")
        assert np.array_equal(soundfile.read(tmp_path / "plain.wav", dtype="int16")[0], with_script)


@pytest.mark.parametrize("name", ["talk.json", "talk.srt"])
def test_only_a_changed_segment_is_synthesised_again(cloned, tmp_path, name):
    before, *_ = cloned(name)
    path = tmp_path / name
    text = path.read_text(encoding="utf-8")
    place = text.rindex("hello my friend")
    path.write_text(
        text[:place] + "goodbye for ever and ever" + text[place + len("hello my friend") :], encoding="utf-8"
    )
    after, said, result = cloned(name)
    assert said == ["goodbye for ever and ever"]
    assert result.translation == "hello my friend goodbye for ever and ever"
    gap = np.flatnonzero(before)[-1]  # the first segment and the pause are before any difference
    first = int(np.flatnonzero(before[: len(after)] != after[: len(before)])[0])
    assert np.abs(before[:first]).max() > 1000, "the first segment is the same"
    assert first < gap
    assert not np.array_equal(before, after)


def test_a_first_segment_that_was_changed_leaves_the_second_as_it_was(cloned, tmp_path):
    before, *_ = cloned()
    tree = json.loads((tmp_path / "talk.json").read_text())
    tree["segments"][0]["english"] = "hi"
    (tmp_path / "talk.json").write_text(json.dumps(tree))
    after, said, _ = cloned()
    assert said == ["hi"]
    start = round(tree["segments"][1]["start"] * HZ)
    assert np.array_equal(before[start:], after[start:])
    assert not np.array_equal(before[:start], after[:start])


@pytest.mark.parametrize("change", [{"speed": 1.25}, {"strength": 2.0}])
def test_the_style_of_one_segment(cloned, tmp_path, change):
    before, *_ = cloned()
    edited(tmp_path / "talk.json", **change)
    after, said, _ = cloned()
    assert len(said) == 1
    assert not np.array_equal(before, after)
    if "speed" in change:
        assert len(after) < len(before)


def test_a_segment_can_be_left_out(cloned, tmp_path):
    before, *_ = cloned()
    for change in ({"left_out": True}, {"left_out": False, "english": "..."}):
        edited(tmp_path / "talk.json", **change)
        after, said, result = cloned()
        assert said == []
        assert result.translation == "hello my friend"
        assert len(after) < len(before)


def test_what_was_left_out_is_in_the_script_and_can_be_spoken(stages, recording, tmp_path):
    made, found = pipeline(stages), [Translated("hola", "hello"), Translated("", "welcome", "en", 1.0)]
    made.translator = lambda *given: found.pop(0)
    result = clone_file(made, recording, tmp_path / "out.wav", Request(script=tmp_path / "s.json"))
    assert result.translation == "hello"
    tree = edited(tmp_path / "s.json", left_out=False)
    second = tree["segments"][1]
    assert second["english"] == "welcome"
    assert "'en'" in second["notes"][0]
    again = clone_file(made, recording, tmp_path / "out.wav", Request(script=tmp_path / "s.json"))
    assert again.translation == "hello welcome"


def test_other_settings_or_another_voice_synthesise_everything_again(cloned, tmp_path, monkeypatch):
    cloned()
    write_audio(tmp_path / "voice.wav", spoken(4), HZ)
    for options in (
        {"config": PLAIN.model_copy(update={"fit": True})},
        {"config": PLAIN.model_copy(update={"guidance": 1.5})},
        {"voice_from": (tmp_path / "voice.wav",)},
    ):
        assert len(cloned(**options)[1]) == 2
    from thesis_lib.cloning import scripted

    monkeypatch.setattr(scripted, "vocoder_key", lambda name: "another")
    assert len(cloned()[1]) == 2


def test_another_recording_with_the_same_voice_is_synthesised_again(stages, recording, tmp_path, monkeypatch):
    """The end of a long recording, from which no voice is extracted, has the style of its segments all the same."""
    from thesis_lib.cloning import files

    voices = files.speakers_of_recording(pipeline(stages), recording)
    monkeypatch.setattr(files, "speakers_of_recording", lambda *given: voices)
    (tmp_path / "s.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nhello\n")
    wav = soundfile.read(recording, dtype="float32")[0]
    for gain, count in ((1.0, 1), (1.0, 0), (0.5, 1)):
        write_audio(tmp_path / "talk.wav", gain * wav, HZ)
        made = pipeline(stages)
        clone_file(made, tmp_path / "talk.wav", tmp_path / "out.wav", Request(script=tmp_path / "s.srt"))
        assert len(made.synthesizer.said) == count


def test_settings_of_the_translation_synthesise_nothing_again(cloned):
    cloned()
    assert cloned(config=PLAIN.model_copy(update={"translator": "another", "language": "es"}))[1] == []


def test_the_cache_has_the_segments_of_the_script_only_and_a_damaged_one_is_made_again(cloned, tmp_path):
    before, *_ = cloned()
    folder = tmp_path / "talk.json.cache"
    (folder / "notes.txt").write_text("of the user")
    edited(tmp_path / "talk.json", english="bye")
    cloned()
    assert len(list(folder.glob("*.npz"))) == 2
    assert len(list(folder.glob("speaker-*.json"))) == 1
    assert (folder / "notes.txt").exists()
    edited(tmp_path / "talk.json", english="hello my friend")
    for path in folder.glob("*"):
        path.write_bytes(path.read_bytes()[:100])
    after, said, _ = cloned()
    assert said == ["hello my friend"] * 2
    assert np.array_equal(before, after)


SRT = (
    "\ufeff1\n00:00:01,200 --> 00:00:02,000\n<i>Good day</i>\nto {\\an8}you\n\n"
    "2\n0:00:6.5 --> 00:00:08,250\nBye {now}\n"
)


def test_a_translated_srt_is_the_source_of_the_english(cloned, tmp_path):
    (tmp_path / "film.srt").write_text(SRT, encoding="utf-8")
    _, said, result = cloned("film.srt", subtitles=True)
    assert said == ["Good day to you", "Bye {now}"]
    english = (tmp_path / "out.en.srt").read_text(encoding="utf-8")
    assert "00:00:01,200 -->" in english
    assert "00:00:06,500 -->" in english
    assert result.transcript == ""


def segments(*times, **more):
    return {"segments": [{"start": a, "end": b, "english": "hello"} | more for a, b in times]}


BAD = {
    "overlap.json": (segments((1, 3), (2.5, 4)), r"segment 2 \(2.5-4 s\): it begins before segment 1 ends, at 3 s"),
    "outside.json": (segments((1, 3), (400, 402)), r"segment 2 \(400-402 s\): it ends at 402 s, after the end"),
    "negative.json": (segments((-1, 3)), "segment 1, start: Input should be greater than or equal to 0"),
    "backwards.json": (segments((3, 1)), r"segment 1 \(3-1 s\): it ends before it begins"),
    "unknown.json": (segments((1, 2), voice="x"), "segment 1, voice: Extra inputs are not permitted"),
    "speaker.json": (segments((1, 2), speaker="2"), "segment 1: the speaker '2' is unknown"),
    "fast.json": (segments((1, 2), speed=3.0), "segment 1, speed: Input should be less than or equal to 1.25"),
    "other.json": (segments((1, 2)) | {"fingerprint": "0" * 16, "recording": "b.mp3"}, r"another recording \(b\.mp3\)"),
    "version.json": (segments((1, 2)) | {"format": "thesis-lib script 9"}, "the format is 'thesis-lib script 9'"),
    "silent.json": (segments((1, 2), english="..."), "no segment has English to speak"),
    "nan.json": ('{"segments": [{"start": NaN, "end": 2}]}', "segment 1, start"),
    "broken.json": ('{"segments": [', "Invalid JSON: EOF"),
    "list.json": ("[]", "list.json: Input should be an object"),
    "empty.json": ("", "Invalid JSON"),
    "encoding.json": (b'{"segments":\n"caf\xe9"}', "encoding.json, line 2: the text is not UTF-8"),
    "encoding.srt": ("1\n00:00:01,000 --> 00:00:02,000\nhello".encode("utf-16"), "line 1: the text is not UTF-8"),
    "negative.srt": ("1\n-00:00:01,000 --> 00:00:02,000\nhello", "line 2: '-00:00:01,000 --> .* is not a valid time"),
    "backwards.srt": ("1\n00:00:03,000 --> 00:00:02,000\nhello", "line 2: the subtitle ends before it begins"),
    "overlap.srt": (SRT.replace("6.5", "1.5").removeprefix("\ufeff"), "line 7 .* begins before line 2 ends"),
    "outside.srt": ("1\n01:00:01,000 --> 01:00:02,000\nhello", "line 2 .* after the end of the recording"),
    "arrow.srt": ("1\n00:00:01,000 --> 00:00:02,000\nsee a --> b", "line 3: 'see a --> b' is not a valid time line"),
    "order.srt": ("00:00:05,000 --> 00:00:07,000\na\n\n3\n00:00:04,000 --> 00:00:06,000\nb", "line 1 .*before line 5"),
    "twice.json": ('{"segments": [{"start": 1, "end": 2, "english": "a", "english": "b"}]}', "the key 'english'"),
    "words.srt": ("hello\n", "no subtitles"),
    "music.srt": ("1\n00:00:01,000 --> 00:00:02,000\n♪", "no segment has English to speak"),
    "huge.srt": (f"1\n{'9' * 5000}:00:00,000 --> 00:00:02,000\nhello", r"line 2: '9{80}' is not a valid time line"),
    "long.srt": ("1\n00:00:01,000 --> 999999999:00:02,000\nhello", "line 2 .* after the end of the recording"),
    "instant.srt": ("1\n00:00:01,000 --> 00:00:01,000\nhello", "line 2: the subtitle ends before it begins"),
    "bytes.srt": ("1\n00:00:01,000 --> 00:00:02,000\nhello".encode("utf-16-be"), "line 1: the text is not UTF-8"),
    "latin.srt": ("1\n00:00:01,000 --> 00:00:02,000\ncaf\xe9".encode("latin-1"), "line 3: the text is not UTF-8"),
    "name.srt": ("1\n00:00:01,000 --> 00:00:02,000\nSpeaker 30: hi", "subtitle 1: the speaker '30' is unknown"),
    "key.json": ('{"a\\nb": 1, "segments": []}', "key.json, a b: Extra inputs are not permitted"),
    "lines.json": (segments((1, 2)) | {"fingerprint": "0", "recording": "a\nb"}, r"another recording \(a b\)"),
    "integer.json": ('{"segments": [{"start": 1, "end": 1%s}]}' % ("0" * 400), "end: Input should be a finite number"),
    "talk.txt": ("hello", r"a script is a \.json or \.srt file"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_script_that_cannot_be_used_is_refused_by_name_and_nothing_is_written(stages, recording, tmp_path, name):
    content, message = BAD[name]
    path = tmp_path / name
    text = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "out.wav").write_bytes(b"earlier")
    with pytest.raises(CloningError, match=message) as error:
        clone_file(pipeline(stages), recording, tmp_path / "out.wav", Request(script=path))
    assert name in str(error.value)
    assert "\n" not in str(error.value)
    assert (tmp_path / "out.wav").read_bytes() == b"earlier"
    assert {x.name for x in tmp_path.iterdir()} == {name, "out.wav"}
    with pytest.raises(CloningError, match=message):  # before the networks are loaded
        check_script(recording, tmp_path / "out.wav", path)


def test_a_script_is_no_input_or_output_or_folder(recording, tmp_path):
    (tmp_path / "folder.json").mkdir()
    for path, message in (
        (tmp_path / "folder.json", "is a folder"),
        (tmp_path / "out.json", "is also the input or the output"),
    ):
        with pytest.raises(CloningError, match=message):
            check_script(recording, tmp_path / "out.json", path)
    with pytest.raises(CloningError, match="--script, --text and --content"):
        Request(script=tmp_path / "a.json", text="hello")
    batch = FolderSettings("default", PLAIN, Request(script=tmp_path / "a.json"))
    with pytest.raises(CloningError, match="--script is for one recording"):
        clone_folder(tmp_path, tmp_path.with_name("out"), batch, make=make)


def test_after_an_error_the_script_and_the_output_are_the_earlier_ones(stages, recording, tmp_path):
    made, target, path = pipeline(stages), tmp_path / "out.wav", tmp_path / "s.json"
    clone_file(made, recording, target, Request(script=path))
    tree, output = edited(path, english="fails"), target.read_bytes()

    def synthesizer(text, *more, **named):
        raise AudioError("broken", text, "y")

    made.synthesizer = type(
        "Broken", (type(made.synthesizer),), {"__call__": lambda self, *given, **named: synthesizer("x")}
    )()
    with pytest.raises(AudioError, match="broken"):
        clone_file(made, recording, target, Request(script=path))
    assert target.read_bytes() == output
    assert json.loads(path.read_text()) == tree


def test_a_long_script_takes_no_more_memory_than_a_short_one(stages, tmp_path):
    """Peak memory while a script of ten times as many segments is written, and while all of it is changed."""
    peaks = []
    for times in (2, 20):
        path, request = tmp_path / f"{times}.wav", Request(script=tmp_path / f"{times}.json")
        write_audio(path, np.concatenate([spoken(0), np.zeros(HZ, np.float32)] * times), HZ)
        for _ in range(2):
            tracemalloc.start()
            clone_file(pipeline(stages), path, tmp_path / "out.wav", request)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            tree = json.loads(request.script.read_text())
            tree["segments"] = [x | {"english": f"goodbye {n}"} for n, x in enumerate(tree["segments"])]
            request.script.write_text(json.dumps(tree))
        assert len(tree["segments"]) >= times
    assert peaks[2] < 1.5 * peaks[0] + 2e7
    assert peaks[3] < 1.5 * peaks[1] + 2e7


def test_segments_longer_than_what_is_read_at_once(stages, recording, tmp_path, monkeypatch):
    """The samples of a segment are those of its times, whatever the blocks are."""
    from thesis_lib.audio.files import read_blocks
    from thesis_lib.audio.voice_activity import RATE, segments_at, speech_segments

    whole = list(speech_segments(read_blocks(recording), HZ))
    for seconds in (0.3, 100.0):
        cut = list(segments_at(read_blocks(recording, seconds), HZ, [(x.start, x.end) for x in whole]))
        for a, b in zip(whole, cut, strict=True):
            assert len(a.wav) == len(b.wav)
            assert np.allclose(a.wav, b.wav, atol=1e-6)
    assert [len(x.wav) for x in segments_at(read_blocks(recording), HZ, [(0, 0.5), (9000, 9001)])] == [RATE // 2, 0]
    assert script.MAX_BEYOND_SECONDS < 1
