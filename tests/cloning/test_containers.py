"""The whole of a recording is translated, in whatever file it lies; what was repaired is noted."""

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, PLAIN, make, pipeline
from containers import RATE, encoded, muxed
from helpers import spoken

from thesis_lib.cloning import FolderSettings, Request, clone_file, clone_folder


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "opus"])
def test_both_parts_of_a_joined_recording_are_translated(stages, tmp_path, suffix):
    path = tmp_path / f"joined.{suffix}"
    first, second = (np.concatenate([spoken(n, RATE), np.zeros(2 * RATE, np.float32)]) for n in (0, 1))
    path.write_bytes(encoded(path, first) + encoded(path, second))
    made = clone_file(pipeline(stages), path, tmp_path / "out.wav")
    assert made.transcript == "hola amigo hola amigo"
    assert made.source_duration == pytest.approx((len(first) + len(second)) / RATE, abs=0.15)
    assert made.duration == pytest.approx(soundfile.info(tmp_path / "out.wav").duration, abs=1e-3)


def test_inverted_channels_are_translated_with_a_note(stages, tmp_path):
    wav = spoken(0)
    soundfile.write(tmp_path / "a.flac", np.stack([wav, -wav], 1), HZ)
    made = clone_file(pipeline(stages), tmp_path / "a.flac", tmp_path / "out.wav")
    assert [note for note in made.notes if "inverted phase" in note and "a.flac" in note]


def test_a_folder_lists_every_audio_and_video_file(tiny_run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    wav = spoken(0, RATE)
    for name, codec in (("a.m4a", "aac"), ("film.MKV", "aac"), ("b.wma", "wmav2")):
        lower = muxed(folder / name.lower(), wav, codec, picture=name == "film.MKV")
        lower.rename(folder / name)
    muxed(folder / "silent.mp4", wav, "aac", picture=True, sound=False)
    batch = FolderSettings(str(tiny_run.path / "conversion" / "vocoder"), PLAIN, Request())
    table = clone_folder(folder, tmp_path / "out", batch, make=make)
    assert dict(zip(table.file, table.status, strict=True)) == {
        "a.m4a": "done", "film.MKV": "done", "b.wma": "done", "silent.mp4": "failed"
    }  # fmt: skip
    assert "no audio" in table.reason[table.file == "silent.mp4"].item()
