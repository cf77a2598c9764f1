"""The folder of human recordings."""

import numpy as np
import pytest
from helpers import spoken

from benchmarks import calibration, embed
from benchmarks.human import human_recordings
from thesis_lib.audio.files import write_audio


def test_the_folder_of_human_recordings_is_read_in_one_way(tmp_path, monkeypatch):
    """A subfolder is one speaker of several recordings; names of two speakers may be those of one file."""
    for name in ("a/1.wav", "a/2.wav", "b/1.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_audio(tmp_path / name, spoken(0, 16_000, "en"), 16_000)
    monkeypatch.setenv("THESIS_HUMAN", str(tmp_path))
    assert {name: len(own) for name, own in human_recordings().items()} == {"a": 2, "b": 1}
    (tmp_path / "copies").mkdir()
    monkeypatch.setenv("THESIS_HUMAN", str(tmp_path))
    assert len(set(embed._recordings(tmp_path / "copies", 3))) == 3
    one, other = calibration._pair([np.arange(4.0), np.arange(3.0)])
    assert (len(one), len(other)) == (4, 3), "of several recordings no half is taken"
    assert [len(half) for half in calibration._pair([np.arange(4.0)])] == [2, 2]
    write_audio(tmp_path / "a.wav", spoken(0, 16_000, "en"), 16_000)
    with pytest.raises(SystemExit, match="two speakers of one name"):
        human_recordings()
