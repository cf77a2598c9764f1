"""A target that cannot be written is refused before anything is loaded."""

import pytest

from thesis_lib.audio.targets import target_problem
from thesis_lib.cloning import Request, check_live, check_target
from thesis_lib.cloning.errors import CloningError
from thesis_lib.config import CloningConfig
from thesis_lib.vocoder.streaming import StreamError, check_stream_target


def test_a_target_that_cannot_be_written_is_told_before_anything_is_loaded(tmp_path):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "folder.wav").mkdir()
    for target, says in (
        (tmp_path / "folder.wav", "is a folder"),
        (tmp_path, "is a folder"),
        (tmp_path / "a.xyz", "suffix"),
        (tmp_path / "file" / "a.wav", "nothing can be written"),
    ):
        with pytest.raises(CloningError, match=says):
            check_target(tmp_path / "in.wav", target)
        with pytest.raises(CloningError, match=says):
            check_live(Request(), CloningConfig(), target)
        with pytest.raises(StreamError, match=says):
            check_stream_target(target)
    (tmp_path / "there.wav").write_text("earlier")
    for target in (tmp_path / "there.wav", tmp_path / "a.OPUS", tmp_path / "new" / "folder" / "a.ogg"):
        assert not target_problem(target)
    check_stream_target("-")


def test_a_stream_does_not_overwrite_an_input(tmp_path):
    with pytest.raises(StreamError, match=r"in\.wav is also an input: name another file"):
        check_stream_target(tmp_path / "in.wav", ["-", tmp_path / "folder" / ".." / "in.wav"])
    check_stream_target(tmp_path / "out.wav", ["-", tmp_path / "in.wav"])
