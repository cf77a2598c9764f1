import json
import sys

import pandas as pd
import pytest
from cloning_stages import HZ, PLAIN, Synthesizer, Translator
from helpers import spoken

from thesis_lib import cloning
from thesis_lib.audio.files import write_audio
from thesis_lib.cloning import (
    Batch,
    Request,
    VoiceCloningPipeline,
    clone_folder,
)
from thesis_lib.cloning.errors import CloningError
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import emotion_encoder, speaker_encoder
from thesis_lib.utils.plugins import import_plugins
from thesis_lib.vocoder.synthesis import Vocoder


def make(vocoder, config, threads=None):
    """Replaces ``build``; at module level, so that a spawned process can import it."""
    speaker, emotion = (
        load(EncoderConfig(speaker="tiny-test", emotion="egemaps")) for load in (speaker_encoder, emotion_encoder)
    )
    return VoiceCloningPipeline(Translator(), Synthesizer(), speaker, emotion, Vocoder.from_pretrained(vocoder), config)


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
    batch = Batch(str(tiny_run.path / "conversion" / "vocoder"), PLAIN, Request())
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
    batch = Batch(str(tiny_run.path / "conversion" / "vocoder"), PLAIN, Request())
    table = clone_folder(tmp_path / "in", tmp_path / "out", batch, 2, make=make_with_plugin)
    del sys.modules["own_encoder"]  # for the tests after this one
    assert list(table.status) == ["done"]


def test_a_second_call_makes_what_is_missing_failed_or_changed(tiny_run, folder, tmp_path, monkeypatch):
    made = []
    clone = cloning.batch.clone_file

    def noted(pipeline, source, *more, **named):
        made.append(source.name)
        return clone(pipeline, source, *more, **named)

    monkeypatch.setattr(cloning.batch, "clone_file", noted)
    vocoder = str(tiny_run.path / "conversion" / "vocoder")

    def again(request=None):
        made.clear()
        clone_folder(folder, tmp_path / "out", Batch(vocoder, PLAIN, request or Request()), make=make)
        return sorted(made)

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
    def clone(pipeline, source, target, request, adapter):
        raise ZeroDivisionError(f"in {source.name}")

    monkeypatch.setattr(cloning.batch, "clone_file", clone)
    table = clone_folder(folder, tmp_path / "out", Batch("x", PLAIN, Request()), make=lambda *given: None)
    assert list(table.status) == ["failed"] * 3
    assert table.reason[0] == "ZeroDivisionError: in a.wav"


def test_wrong_folders(folder, tmp_path):
    batch = Batch("x", PLAIN, Request())
    with pytest.raises(CloningError, match="choose an output folder outside it"):
        clone_folder(folder, folder / "out", batch)
    with pytest.raises(CloningError, match="no recordings"):
        clone_folder(tmp_path / "nowhere", tmp_path / "out", batch)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clones.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CloningError, match="not a table of clones"):
        clone_folder(folder, tmp_path / "out", batch)
