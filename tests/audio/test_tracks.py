"""Of several audio tracks without a language, a silent one is not read."""

import numpy as np
import pytest
from films import RATE, film
from helpers import voiced

from thesis_lib.audio.files import read_audio, survey


@pytest.mark.parametrize("suffix", [".m4a", ".mkv", ".mp4"])
@pytest.mark.parametrize("silent", [0, 1])
def test_of_a_silent_track_and_one_with_sound_the_second_is_read(tmp_path, suffix, silent):
    wavs = [voiced(2.0, RATE), voiced(2.0, RATE)]
    wavs[silent] = np.zeros_like(wavs[silent])
    path = film(tmp_path / f"a{suffix}", wavs, seconds=2.0, picture=None if suffix == ".m4a" else "mpeg4")
    assert np.abs(read_audio(path)[0]).max() > 0.1
    [note] = survey(path).notes(path)
    assert f"of 2 audio tracks, track {2 - silent}" in note


def test_a_file_that_is_replaced_is_searched_again(tmp_path):
    for silent in (0, 1):
        wavs = [voiced(2.0, RATE), voiced(2.0 + silent, RATE)]
        wavs[silent] = np.zeros_like(wavs[silent])
        path = film(tmp_path / "a.m4a", wavs, picture=None)
        assert np.abs(read_audio(path)[0]).max() > 0.1


def test_where_all_tracks_are_silent_the_main_one_is_read(tmp_path):
    path = film(tmp_path / "a.m4a", [np.zeros(RATE, np.float32)] * 2, picture=None)
    assert not read_audio(path)[0].any()
