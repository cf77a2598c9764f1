import numpy as np
import pytest
import torch
from conftest import voiced

from thesis_lib import checkpoints, models
from thesis_lib.checkpoints import CheckpointError
from thesis_lib.models import ModelError
from thesis_lib.synthesis import Vocoder
from thesis_lib.training import train


def test_saved_and_loaded_it_is_the_same(tiny_run, tmp_path):
    vocoder = train(tiny_run)
    vocoder.save_pretrained(tmp_path / "v")
    other = Vocoder.from_pretrained(tmp_path / "v")
    mel = torch.randn(2, 80, 7)
    assert torch.equal(vocoder(mel), other(mel))
    assert other.meta == vocoder.meta
    assert other.parameters() == vocoder.parameters() > 0


@pytest.mark.parametrize("samples", [22_050, 22_051, 3_000])
def test_resynthesis_keeps_the_length(tiny_run, samples):
    vocoder = train(tiny_run)
    wav = vocoder.resynthesise(voiced(1.01)[:samples], np.zeros(192, np.float32), np.zeros(88, np.float32))
    assert wav.shape == (samples,)
    assert wav.dtype == np.float32


def test_an_embedding_left_out_is_the_mean(tiny_run):
    vocoder = train(tiny_run)
    mel = torch.randn(1, 80, 6)
    condition = vocoder.generator.condition
    given = vocoder(mel, condition.speaker_statistics.mean[None], condition.emotion_statistics.mean[None])
    assert torch.equal(vocoder(mel), given)


def test_foreign_folders_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="missing"):
        Vocoder.from_pretrained(tmp_path)
    checkpoints.save(tmp_path / "x", {"a": torch.zeros(1)}, {"something": "else"})
    with pytest.raises(CheckpointError, match="not a vocoder"):
        Vocoder.from_pretrained(tmp_path / "x")


def test_published_weights_offline_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("THESIS_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("THESIS_OFFLINE", "1")
    with pytest.raises(ModelError, match="thesis models fetch hifigan-universal"):
        Vocoder.from_pretrained("hifigan-universal")
    assert not models.is_cached("hifigan-universal")
