"""`thesis models` and `thesis weights`."""

import subprocess
import sys
from pathlib import Path

import pytest
from commands import thesis


@pytest.mark.parametrize(("options", "folder"), [([], None), (["--out", "new"], Path("new"))])
def test_weights_go_to_the_package_or_to_the_folder_that_is_named(options, folder, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = []
    monkeypatch.setattr("thesis_lib.training.released.reproduce_weights", lambda *arguments: given.append(arguments))
    code, _, _ = thesis(monkeypatch, capsys, "weights", "reproduce", "--profile", "human", "--device", "cpu", *options)
    assert code == 0
    assert given[0][0].config.profile == "human"
    assert given[0][1] == folder
    assert given[0][4] == "cpu"


def test_offline_and_models_dir(tmp_path):
    command = [str(Path(sys.executable).with_name("thesis")), "--offline", "--models-dir", str(tmp_path)]
    listed = subprocess.run([*command, "models", "list"], capture_output=True, text=True, check=True)
    assert str(tmp_path) in listed.stdout
    assert "cached  " not in listed.stdout
    fetched = subprocess.run([*command, "models", "fetch", "ecapa"], capture_output=True, text=True, check=False)
    assert fetched.returncode == 2
    assert "downloads are off" in fetched.stderr


def test_verify_finds_a_wrong_byte(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("THESIS_MODELS_DIR", str(tmp_path))
    (tmp_path / "resemblyzer").mkdir()
    (tmp_path / "resemblyzer" / "pretrained.pt").write_bytes(b"x")
    code, out, err = thesis(monkeypatch, capsys, "models", "verify")
    assert code == 1
    assert "wrong: pretrained.pt" in out
    assert "fetch" in err
