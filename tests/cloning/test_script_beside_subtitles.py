"""A script and the subtitles beside the output: neither replaces the other, and no empty file or track is written."""

import av
import pytest
from cloning_stages import pipeline
from containers import RATE, muxed
from helpers import spoken

from thesis_lib.cloning import Request, check_script, clone_file
from thesis_lib.cloning.errors import CloningError

SCRIPT = "1\n00:00:00,100 --> 00:00:02,000\nhello\n"


@pytest.fixture
def film(tmp_path):
    return muxed(tmp_path / "film.mkv", spoken(0, RATE), "aac", picture=True)


@pytest.mark.parametrize("name", ["film.en.srt", "film.es.srt"])
def test_a_script_that_the_subtitles_would_replace_is_refused(stages, film, tmp_path, name):
    script, target = tmp_path / name, tmp_path / "film.mp4"
    script.write_text(SCRIPT)
    with pytest.raises(CloningError, match=rf"{name} is also a file of the subtitles: name another"):
        check_script(film, target, script, subtitles=True)
    with pytest.raises(CloningError, match="is also a file of the subtitles"):
        clone_file(pipeline(stages), film, target, Request(script=script, subtitles=True))
    assert script.read_text() == SCRIPT
    assert check_script(film, target, script) is not None, "without subtitles nothing would replace it"


def test_a_language_without_text_has_no_file_and_no_track_but_a_note(stages, film, tmp_path):
    script, spanish, target = tmp_path / "mine.srt", tmp_path / "film.es.srt", tmp_path / "film.mp4"
    script.write_text(SCRIPT)
    spanish.write_text("of the user")
    made = clone_file(pipeline(stages), film, target, Request(script=script, subtitles=True))
    assert spanish.read_text() == "of the user"
    assert made.subtitles == (str(tmp_path / "film.en.srt"), str(tmp_path / "film.en.vtt"))
    assert [note for note in made.notes if "no subtitles in the language 'es'" in note]
    with av.open(str(target)) as container:
        assert [track.language for track in container.streams.subtitles] == ["eng"]
