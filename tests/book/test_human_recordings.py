"""The list of the measured human recordings, and the script that cuts them from the corpus."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import load_script

from benchmarks.human import recorded_sexes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def script():
    return load_script("human_recordings")


def test_the_list_has_101_speakers_none_of_whom_trained():
    measured = recorded_sexes()
    speakers = {name.split("-")[0] for name in measured}
    assert len(measured) == len(speakers) == 101
    assert set(measured.values()) == {"f", "m"}
    trained = (ROOT / "thesis_lib" / "data" / "human" / "librispeech.txt").read_text().split()
    assert not speakers & {name.split("-")[1] for name in trained}


@pytest.fixture
def corpus(tmp_path):
    """LibriSpeech of two utterances, of nine and of two seconds."""
    rng = np.random.default_rng(0)
    for name, seconds in (("7-21-0000", 9), ("8-5-0003", 2)):
        speaker, chapter, _ = name.split("-")
        path = tmp_path / "corpus" / speaker / chapter / f"{name}.flac"
        path.parent.mkdir(parents=True)
        soundfile.write(path, rng.integers(-9, 9, seconds * 16_000, dtype=np.int16), 16_000)
    return tmp_path / "corpus"


def test_the_first_eight_seconds_are_cut_without_change(script, corpus, monkeypatch, tmp_path):
    names = tmp_path / "list.txt"
    names.write_text("7-21-0000 f\n8-5-0003 m\n")
    monkeypatch.setattr(script, "MEASURED", names)
    monkeypatch.setattr(sys, "argv", ["human_recordings.py", str(corpus), str(tmp_path / "out")])
    script.main()
    whole, _ = soundfile.read(tmp_path / "corpus" / "7" / "21" / "7-21-0000.flac", dtype="int16")
    cut, rate = soundfile.read(tmp_path / "out" / "7-21-0000.flac", dtype="int16")
    assert rate == 16_000
    assert np.array_equal(cut, whole[: 8 * 16_000])
    assert soundfile.info(tmp_path / "out" / "8-5-0003.flac").frames == 2 * 16_000


def test_recordings_for_training_are_whole(script, corpus, monkeypatch, tmp_path):
    names = tmp_path / "list.txt"
    names.write_text("librispeech-7-21-0000\n")
    monkeypatch.setattr(script, "TRAINED", names)
    monkeypatch.setattr(sys, "argv", ["human_recordings.py", str(corpus), str(tmp_path / "out"), "--for-training"])
    script.main()
    (made,) = (tmp_path / "out").iterdir()
    assert (made.name, soundfile.info(made).frames) == ("7-21-0000.flac", 9 * 16_000)


def test_a_missing_recording_is_named(script, tmp_path):
    with pytest.raises(SystemExit, match=r"101 of 101 recordings are missing, the first .*103-1240-0000\.flac"):
        script.make(tmp_path, tmp_path / "out", script.MEASURED, script.SECONDS)
