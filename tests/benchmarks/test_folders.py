"""The folders outside the repository: their names in the environment, and their fingerprints in a saved result."""

import json
import sys

import pytest

from benchmarks import folders, speakers
from benchmarks.__main__ import main as benchmark_command


@pytest.fixture
def recordings(tmp_path, monkeypatch):
    """A folder of two files that THESIS_HUMAN names, and nothing read so far."""
    for name in ("ana/0.wav", "luis/0.wav"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(name.encode())
    monkeypatch.setattr(folders, "_read", {})
    monkeypatch.setenv("THESIS_HUMAN", str(tmp_path))
    return tmp_path


def test_a_fingerprint_is_of_names_and_contents(recordings):
    before = folders.folder_fingerprint(recordings)
    assert len(before) == 16
    (recordings / "ana" / "0.wav").write_bytes(b"other")
    changed = folders.folder_fingerprint(recordings)
    (recordings / "ana" / "0.wav").write_bytes(b"ana/0.wav")
    assert folders.folder_fingerprint(recordings) == before != changed
    (recordings / "ana" / "0.wav").rename(recordings / "ana" / "1.wav")
    assert folders.folder_fingerprint(recordings) not in (before, changed)


def test_a_result_names_the_folders_that_were_read(recordings, monkeypatch, capsys):
    monkeypatch.setenv("THESIS_EMOTIONS", str(recordings))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speakers"])
    for run, read in (
        (lambda quick, **_: {}, {}),
        (_reading, {"THESIS_HUMAN": folders.folder_fingerprint(recordings)}),
    ):
        monkeypatch.setattr(speakers, "run", run)
        benchmark_command()
        assert json.loads(capsys.readouterr().out)["made by"]["folders"] == read


def _reading(quick, **options):
    folders.required_folder("THESIS_HUMAN", "recordings")
    return {}


def test_a_variable_that_names_no_folder(recordings, monkeypatch):
    monkeypatch.setenv("THESIS_HUMAN", str(recordings / "ana" / "0.wav"))
    with pytest.raises(SystemExit, match=r"THESIS_HUMAN names .*0\.wav, which is no folder"):
        folders.required_folder("THESIS_HUMAN", "recordings")
    monkeypatch.delenv("THESIS_HUMAN")
    assert folders.optional_folder("THESIS_HUMAN") is None
    with pytest.raises(SystemExit, match="THESIS_HUMAN must name a folder of recordings"):
        folders.required_folder("THESIS_HUMAN", "recordings")
    assert folders.folder_fingerprints() == {}
