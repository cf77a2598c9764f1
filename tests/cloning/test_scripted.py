"""A script and the subtitles beside the output: neither replaces the other, and no empty file or track is written."""

import json

import av
import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, PLAIN, pipeline
from films import RATE, film
from helpers import spoken

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.cloning import Request, check_script, clone_file
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.voices import voice_rate

SCRIPT = "1\n00:00:00,100 --> 00:00:02,000\nhello\n"


@pytest.fixture
def short_film(tmp_path):
    return film(tmp_path / "film.mkv", [spoken(0, RATE)], seconds=0.2)


@pytest.mark.parametrize("name", ["film.en.srt", "film.es.srt"])
def test_a_script_that_the_subtitles_would_replace_is_refused(stages, short_film, tmp_path, name):
    script, target = tmp_path / name, tmp_path / "film.mp4"
    script.write_text(SCRIPT)
    with pytest.raises(CloningError, match=rf"{name} is also a file of the subtitles: name another"):
        check_script(short_film, target, script, subtitles=True)
    with pytest.raises(CloningError, match="is also a file of the subtitles"):
        clone_file(pipeline(stages), short_film, target, Request(script=script, subtitles=True))
    assert script.read_text() == SCRIPT
    assert check_script(short_film, target, script) is not None, "without subtitles nothing would replace it"


def test_a_language_without_text_has_no_file_and_no_track_but_a_note(stages, short_film, tmp_path):
    script, spanish, target = tmp_path / "mine.srt", tmp_path / "film.es.srt", tmp_path / "film.mp4"
    script.write_text(SCRIPT)
    spanish.write_text("of the user")
    made = clone_file(pipeline(stages), short_film, target, Request(script=script, subtitles=True))
    assert spanish.read_text() == "of the user"
    assert made.subtitles == (str(tmp_path / "film.en.srt"), str(tmp_path / "film.en.vtt"))
    assert [note for note in made.notes if "no subtitles in the language 'es'" in note]
    with av.open(str(target)) as container:
        assert [track.language for track in container.streams.subtitles] == ["eng"]


def times(path):
    return [line.split(" --> ")[0] for line in path.read_text().splitlines() if "-->" in line]


def test_the_times_of_a_script_are_those_of_the_subtitles_where_the_audio_begins_late(stages, tmp_path):
    source = film(tmp_path / "film.mkv", [spoken(0, RATE)], seconds=8.0, delay=2.0)
    out, mine = tmp_path / "out.mkv", tmp_path / "mine.srt"
    clone_file(pipeline(stages), source, out, Request(script=tmp_path / "a.srt", subtitles=True))
    first = times(tmp_path / "out.en.srt")
    assert first == times(tmp_path / "a.srt")
    assert first[0] > "00:00:02"
    mine.write_text((tmp_path / "out.es.srt").read_text().replace("hola amigo", "good day"))
    said = pipeline(stages)
    clone_file(said, source, out, Request(script=mine, subtitles=True))
    assert [text for text, *_ in said.synthesizer.said] == ["good day"]
    assert times(tmp_path / "out.en.srt") == first


def test_a_subtitle_in_the_silent_end_of_the_picture_is_spoken(stages, tmp_path):
    source, script = film(tmp_path / "film.mkv", [spoken(0, RATE)], seconds=12.0), tmp_path / "mine.srt"
    script.write_text(SCRIPT + "\n2\n00:00:09,000 --> 00:00:10,000\nthe end of it\n")
    made = clone_file(pipeline(stages), source, tmp_path / "out.mkv", Request(script=script))
    assert made.translation == "hello the end of it"
    wav, rate = read_audio(tmp_path / "out.mkv")
    level = [np.sqrt(np.mean(wav[int(a * rate) : int(b * rate)] ** 2)) for a, b in ((0.1, 0.6), (9.1, 10.1))]
    assert 0.3 < level[1] / level[0] < 3, "as loud as over speech"


def test_a_speed_in_the_script_that_replaces_the_settings_is_noted(stages, recording, tmp_path):
    request, target = Request(script=tmp_path / "a.json"), tmp_path / "out.wav"
    clone_file(pipeline(stages), recording, target, request)
    assert not [x for x in clone_file(pipeline(stages), recording, target, request).notes if "at the speed" in x]
    slow = PLAIN.model_copy(update={"follow_rate": False})
    notes = clone_file(pipeline(stages, slow), recording, target, request).notes
    assert [x for x in notes if "2 synthesised at the speed in the script; write null to measure it again" in x]
    tree = json.loads(request.script.read_text())
    for segment in tree["segments"]:
        segment["speed"] = None
    request.script.write_text(json.dumps(tree))
    made = pipeline(stages, slow)
    assert not [x for x in clone_file(made, recording, target, request).notes if "at the speed" in x]
    assert [speed * voice_rate(v, text) for text, v, speed in made.synthesizer.said] == pytest.approx([1.0, 1.0])


def test_a_segment_over_a_pause_is_as_loud_as_over_speech(stages, talk, tmp_path):
    noise = 10 ** (-62 / 20) * np.random.default_rng(0).normal(size=len(talk))
    write_audio(tmp_path / "voz.wav", talk + noise.astype(np.float32), HZ)
    start = 1.0 + len(spoken(0)) / HZ  # of the pause
    spans = [(1.2, start - 0.2), (start + 0.5, start + 2.5)]
    segments = [{"start": a, "end": b, "english": "hello my friend"} for a, b in spans]
    (tmp_path / "a.json").write_text(json.dumps({"segments": segments}))
    clone_file(pipeline(stages), tmp_path / "voz.wav", tmp_path / "o.wav", Request(script=tmp_path / "a.json"))
    wav = soundfile.read(tmp_path / "o.wav")[0]
    level = [20 * np.log10(np.sqrt(np.mean(wav[int(a * HZ) : int((a + 1.4) * HZ)] ** 2))) for a, _ in spans]
    assert level[1] == pytest.approx(level[0], abs=3)
