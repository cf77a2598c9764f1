"""Download and upload, with a folder in place of the hub, behind the functions of its client."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from typer.testing import CliRunner

from thesis_lib import pretrained
from thesis_lib.cli import app
from thesis_lib.vocoder import hub
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.synthesis import Vocoder


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder that holds repositories."""
    root = tmp_path / "hub"
    private_ones: set[str] = set()

    class Api:
        def create_repo(self, repo_id, private, exist_ok):
            if not (root / repo_id).exists():
                private_ones.update([repo_id] if private else [])
            (root / repo_id).mkdir(parents=True, exist_ok=exist_ok)
            return f"https://hub/{repo_id}"

        def repo_info(self, repo_id):
            return SimpleNamespace(private=repo_id in private_ones)

        def upload_folder(self, repo_id, folder_path, allow_patterns):
            for name in allow_patterns:
                shutil.copy(Path(folder_path) / name, root / repo_id)

    def snapshot_download(repo_id, revision, allow_patterns):
        if not (root / repo_id).is_dir():
            raise OSError(f"404: {repo_id} at {revision}")
        return str(root / repo_id)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(pretrained, "hub_reachable", lambda: True)
    return root


def test_pushed_and_fetched_it_is_the_same(tiny_run, shelf):
    vocoder = Vocoder.from_pretrained(tiny_run.path / "conversion" / "vocoder")
    assert vocoder.push_to_hub("me/voice") == "https://hub/me/voice"
    assert {path.name for path in (shelf / "me/voice").iterdir()} == set(hub.FILES)
    other = Vocoder.from_pretrained("me/voice")
    assert other.meta == vocoder.meta
    pairs = zip(vocoder.generator.parameters(), other.generator.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_the_card_says_what_it_is_and_what_made_it(tiny_run):
    folder = tiny_run.path / "conversion" / "vocoder"
    text = (folder / "README.md").read_text()
    assert text.startswith("---\nlibrary_name: thesis-lib\n")
    for part in ("conversion", "envelope", "istft", "22050 Hz", "tiny-test-encoder", "egemaps", "4 steps"):
        assert part in text
    assert tiny_run.config.digest() in text


def test_the_command_pushes_a_folder(tiny_run, shelf):
    folder = str(tiny_run.path / "conversion" / "vocoder")
    done = CliRunner().invoke(app, ["models", "push", folder, "me/voice"])
    assert done.output == "https://hub/me/voice\n"


def test_a_private_vocoder_is_not_pushed_to_a_public_repository(tiny_run, shelf):
    folder = tiny_run.path / "conversion" / "vocoder"
    for _ in range(2):
        assert hub.upload(folder, "me/secret", private=True) == "https://hub/me/secret"
    (shelf / "me/open").mkdir()
    with pytest.raises(CheckpointError, match="me/open exists and is public: make it private on the hub"):
        hub.upload(folder, "me/open", private=True)
    assert list((shelf / "me/open").iterdir()) == []


def test_a_folder_that_is_no_vocoder_is_not_pushed(tmp_path, shelf):
    with pytest.raises(CheckpointError, match="model.safetensors, config.json, README.md is missing"):
        hub.upload(tmp_path, "me/voice")


def test_an_unknown_repository_and_a_mistyped_folder_are_named(shelf):
    with pytest.raises(CheckpointError, match=r"me/nothing is no folder here, .* did not give it .*404.* at abc"):
        Vocoder.from_pretrained("me/nothing", revision="abc")
    with pytest.raises(CheckpointError, match="missing"):
        Vocoder.from_pretrained("runs/no/such/folder")


def test_without_the_hub_a_repository_is_refused(monkeypatch):
    monkeypatch.setattr(pretrained, "hub_reachable", lambda: False)
    with pytest.raises(CheckpointError, match="the model hub is out of reach"):
        Vocoder.from_pretrained("me/voice")


def test_a_refusal_of_the_hub_says_how_to_log_in(tiny_run, shelf, monkeypatch):
    def refused(*_, **__):
        raise RuntimeError("401 unauthorised")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", refused)
    with pytest.raises(CheckpointError, match="401 unauthorised.*hf auth login"):
        hub.upload(tiny_run.path / "conversion" / "vocoder", "me/voice")
