import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from cloning_stages import HZ, PLAIN, make
from containers import RATE, muxed
from films import film
from helpers import spoken

from thesis_lib import cloning
from thesis_lib.audio.files import write_audio
from thesis_lib.cloning import (
    FolderSettings,
    Request,
    clone_folder,
)
from thesis_lib.cloning.errors import CloningError
from thesis_lib.utils.plugins import import_plugins
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.synthesis import DEFAULT, vocoder_key


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "in"
    for number, name in enumerate(("a.wav", "b/c.flac")):
        write_audio(root / name, spoken(number), HZ)
    (root / "broken.wav").write_bytes(b"RIFFnothing")
    (root / "notes.txt").write_text("no recording")
    return root


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_with_one_table_and_no_file_that_stops_the_rest(tiny_run, folder, tmp_path, jobs):
    batch = FolderSettings(str(tiny_run.path / "conversion" / "vocoder"), PLAIN, Request())
    table = clone_folder(folder, tmp_path / "out", batch, jobs, make=make)
    assert dict(zip(table.file, table.status, strict=True)) == {
        "a.wav": "done", "b/c.flac": "done", "broken.wav": "failed"
    }  # fmt: skip
    assert "broken.wav: undecodable" in table.reason[table.file == "broken.wav"].item()
    assert (tmp_path / "out" / "a.wav.wav").exists()
    assert (tmp_path / "out" / "b" / "c.flac.wav").exists()
    assert table.translation[0] == "hello my friend"
    assert json.loads(table.seconds[0])["speak"] > 0
    stored = pd.read_csv(tmp_path / "out" / "clones.csv", keep_default_na=False)
    assert list(stored.file) == list(table.file)


CLONING = """if True:
    import sys, time
    from pathlib import Path
    from thesis_lib.cloning import FolderSettings, Request, batch, clone_folder
    from thesis_lib.config import CloningConfig
    from thesis_lib.utils.files import replacing
    from thesis_lib.utils.process import set_up
    from thesis_lib.vocoder.synthesis import DEFAULT

    def clone(pipeline, source, target, request, say, adapter):
        with replacing(target) as partial:
            partial.write_text("partial")
            (source.parent.parent / "begun" / source.name).write_text("")
            time.sleep(0 if stop and source.name == "0.wav" else 10)

    batch.clone_file, stop = clone, len(sys.argv) == 3

    def stopped(results, total, name):
        next(results)
        sys.exit(143)
        yield

    def make(vocoder, config, threads):
        return None

    if __name__ == "__main__":
        set_up()
        root = Path(sys.argv[1])
        options = {"progress": stopped} if stop else {}
        settings = FolderSettings(DEFAULT, CloningConfig(), Request())
        clone_folder(root / "in", root / "out", settings, 2, make=make, **options)
"""


@pytest.mark.parametrize("between_results", [[], ["stop"]])
def test_a_terminated_folder_begins_no_other_recording(tmp_path, between_results):
    for name in ("in", "begun", "out"):
        (tmp_path / name).mkdir()
    for number in range(6):
        write_audio(tmp_path / "in" / f"{number}.wav", spoken(0), HZ)
    (tmp_path / "clone.py").write_text(CLONING)
    process = subprocess.Popen([sys.executable, str(tmp_path / "clone.py"), str(tmp_path), *between_results])
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "begun").iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    if not between_results:
        process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    under_way = 3 if between_results else 2
    assert len(list((tmp_path / "begun").iterdir())) <= under_way
    assert not list((tmp_path / "out").glob(".partial-*"))


def make_with_plugin(vocoder, config, threads=None):
    """``make``, in a process that has imported the plugin."""
    assert "own_encoder" in sys.modules
    return make(vocoder, config, threads)


def test_the_processes_import_the_plugins(tiny_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "own_encoder.py").write_text("")
    import_plugins(["own_encoder"])
    write_audio(tmp_path / "in" / "a.wav", spoken(0), HZ)
    batch = FolderSettings(str(tiny_run.path / "conversion" / "vocoder"), PLAIN, Request())
    table = clone_folder(tmp_path / "in", tmp_path / "out", batch, 2, make=make_with_plugin)
    del sys.modules["own_encoder"]  # for the tests after this one
    assert list(table.status) == ["done"]


@pytest.fixture
def noted(monkeypatch):
    """The names of the recordings that are cloned."""
    made, clone = [], cloning.batch.clone_file

    def cloned(pipeline, source, *more, **named):
        made.append(source.name)
        return clone(pipeline, source, *more, **named)

    monkeypatch.setattr(cloning.batch, "clone_file", cloned)
    return made


def test_a_vocoder_that_was_trained_again_under_its_name_clones_again(tiny_run, tmp_path, noted):
    write_audio(tmp_path / "in" / "a.wav", spoken(0), HZ)
    folder = shutil.copytree(tiny_run.path / "conversion" / "vocoder", tmp_path / "v")
    batch, out = FolderSettings(str(folder), PLAIN, Request()), tmp_path / "out"
    for _ in range(2):
        first = clone_folder(tmp_path / "in", out, batch, make=make)
    before = (out / "a.wav.wav").read_bytes()
    assert noted == ["a.wav"]
    tensors, meta = checkpoints.load(folder)
    checkpoints.save(folder, {name: 1.1 * x for name, x in tensors.items()}, meta)
    second = clone_folder(tmp_path / "in", out, batch, make=make)
    assert noted == ["a.wav"] * 2
    assert first.key[0] != second.key[0]
    assert (out / "a.wav.wav").read_bytes() != before


def test_a_table_of_an_earlier_version_is_made_anew(tiny_run, tmp_path, noted):
    """Its key had the vocoder's name only."""
    write_audio(tmp_path / "in" / "a.wav", spoken(0), HZ)
    vocoder, out = str(tiny_run.path / "conversion" / "vocoder"), tmp_path / "out"
    batch = FolderSettings(vocoder, PLAIN, Request())
    table = clone_folder(tmp_path / "in", out, batch, make=make)
    table["key"] = batch.key(tmp_path / "in" / "a.wav", vocoder)
    table.to_csv(out / "clones.csv", index=False)
    assert list(clone_folder(tmp_path / "in", out, batch, make=make).status) == ["done"]
    assert noted == ["a.wav"] * 2


def test_the_key_of_a_vocoder_has_its_weights_and_its_encoders(tiny_run, tmp_path):
    folder = shutil.copytree(tiny_run.path / "conversion" / "vocoder", tmp_path / "v")
    same = shutil.copytree(folder, tmp_path / "same")
    tensors, meta = checkpoints.load(folder)
    keys = {vocoder_key(folder), vocoder_key(DEFAULT), vocoder_key("hifigan-universal")}
    for encoder in ("speaker_encoder", "emotion_encoder"):
        checkpoints.save(tmp_path / encoder, tensors, meta | {encoder: meta[encoder].replace("(", "(another ")})
        keys.add(vocoder_key(tmp_path / encoder))
    assert len(keys) == 5
    assert vocoder_key(same) == vocoder_key(folder)
    write_audio(tmp_path / "in" / "a.wav", spoken(0), HZ)
    with pytest.raises(CheckpointError, match="nowhere.*is missing"):
        clone_folder(tmp_path / "in", tmp_path / "out", FolderSettings(str(tmp_path / "nowhere"), PLAIN, Request()))
    with pytest.raises(CheckpointError, match=r"v\.onnx is missing"):
        vocoder_key("v.onnx")
    for content in (b"one", b"two"):
        (tmp_path / "v.onnx").write_bytes(content)
        keys.add(vocoder_key(tmp_path / "v.onnx"))
    assert len(keys) == 7


def test_a_second_call_makes_what_is_missing_failed_or_changed(tiny_run, folder, tmp_path, noted):
    vocoder = str(tiny_run.path / "conversion" / "vocoder")

    def again(request=None):
        noted.clear()
        clone_folder(folder, tmp_path / "out", FolderSettings(vocoder, PLAIN, request or Request()), make=make)
        return sorted(noted)

    assert again() == ["a.wav", "broken.wav", "c.flac"]
    assert again() == ["broken.wav"]
    (tmp_path / "out" / "a.wav.wav").unlink()
    write_audio(folder / "broken.wav", spoken(2), HZ)
    assert again() == ["a.wav", "broken.wav"]
    assert again() == []
    write_audio(folder / "a.wav", spoken(3), HZ)
    assert again() == ["a.wav"]
    assert again(Request(consent="yes")) == ["a.wav", "broken.wav", "c.flac"]


def test_a_defect_in_one_file_is_named_and_the_others_go_on(tiny_run, folder, tmp_path, monkeypatch):
    def clone(pipeline, source, target, request, say, adapter):
        raise ZeroDivisionError(f"in {source.name}")

    monkeypatch.setattr(cloning.batch, "clone_file", clone)
    table = clone_folder(folder, tmp_path / "out", FolderSettings(DEFAULT, PLAIN, Request()), make=lambda *given: None)
    assert list(table.status) == ["failed"] * 3
    assert table.reason[0] == "ZeroDivisionError: in a.wav"


def test_wrong_folders(folder, tmp_path):
    batch = FolderSettings("x", PLAIN, Request())
    with pytest.raises(CloningError, match="choose an output folder outside it"):
        clone_folder(folder, folder / "out", batch)
    with pytest.raises(CloningError, match="no recordings"):
        clone_folder(tmp_path / "nowhere", tmp_path / "out", batch)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clones.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CloningError, match="not a table of clones"):
        clone_folder(folder, tmp_path / "out", batch)


def test_a_file_name_that_is_not_utf8_does_not_stop_the_folder(tiny_run, folder, tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    shutil.copy(folder / "a.wav", folder / name)
    (folder / os.fsdecode(b"\xff.wav")).write_bytes(b"RIFFnothing")
    batch = FolderSettings(str(tiny_run.path / "conversion" / "vocoder"), PLAIN, Request(subtitles=True))
    for made in (make, None):  # the second time nothing is left to do, but the broken ones
        table = clone_folder(folder, tmp_path / "out", batch, make=made or make)
        rows = dict(zip(table.file, table.status, strict=True))
        assert rows["caf\\udce9.wav"] == rows["a.wav"] == "done"
        assert rows["\\udcff.wav"] == "failed"
    assert (tmp_path / "out" / f"{name}.wav").exists()
    assert (tmp_path / "out" / f"{name}.en.srt").exists()
    assert "caf\\udce9.wav" in (tmp_path / "out" / "clones.csv").read_text(encoding="utf-8")


def test_an_output_folder_below_a_file_is_told_before_anything_is_loaded(folder, tmp_path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(CloningError, match="nothing can be written"):
        clone_folder(folder, tmp_path / "file" / "out", FolderSettings("none", PLAIN, Request()), make=None)


def test_a_folder_lists_every_audio_and_video_file(tiny_run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    wav = spoken(0, RATE)
    for name, codec in (("a.m4a", "aac"), ("film.MKV", "aac"), ("b.wma", "wmav2")):
        lower = muxed(folder / name.lower(), wav, codec, picture=name == "film.MKV")
        lower.rename(folder / name)
    muxed(folder / "silent.mp4", wav, "aac", picture=True, sound=False)
    two = film(folder / "two.3gp", [np.zeros(48_000, np.float32)] * 2, picture=None)
    two.rename(folder / "two tracks.3gpp")
    (folder / "nowhere.wav").symlink_to(tmp_path / "gone.wav")
    batch = FolderSettings(str(tiny_run.path / "conversion" / "vocoder"), PLAIN, Request())
    table = clone_folder(folder, tmp_path / "out", batch, make=make)
    assert dict(zip(table.file, table.status, strict=True)) == {
        "a.m4a": "done", "film.MKV": "done", "b.wma": "done", "silent.mp4": "failed",
        "nowhere.wav": "failed", "two tracks.3gpp": "failed",
    }  # fmt: skip
    assert "missing file" in table.reason[table.file == "nowhere.wav"].item()
    assert "of 2 audio tracks, track 1" in table.reason[table.file == "two tracks.3gpp"].item()
    assert "no audio" in table.reason[table.file == "silent.mp4"].item()
