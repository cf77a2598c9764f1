import numpy as np
import pytest
import torch
from helpers import voiced

from thesis_lib import pretrained
from thesis_lib.config import TASKS
from thesis_lib.pretrained import ModelError
from thesis_lib.training import train
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice


def test_saved_and_loaded_it_is_the_same(tiny_run, tmp_path):
    vocoder = train(tiny_run, "resynthesis")
    vocoder.save_pretrained(tmp_path / "v")
    other = Vocoder.from_pretrained(tmp_path / "v")
    mel = torch.randn(2, 80, 7)
    assert torch.equal(vocoder(mel), other(mel))
    assert other.meta == vocoder.meta
    assert other.parameters() == vocoder.parameters() > 0


@pytest.mark.parametrize("task", TASKS)
def test_half_of_the_bytes_sound_the_same(tiny_run, tmp_path, task):
    vocoder = train(tiny_run, task)
    for name, half in (("whole", False), ("half", True)):
        vocoder.save_pretrained(tmp_path / name, half=half)
    small, other = tmp_path / "half" / checkpoints.WEIGHTS, Vocoder.from_pretrained(tmp_path / "half")
    assert small.stat().st_size < 0.65 * (tmp_path / "whole" / checkpoints.WEIGHTS).stat().st_size
    assert all(x.dtype == torch.float32 for x in other.generator.parameters())
    wav = voiced()
    assert np.abs(vocoder.render(wav) - other.render(wav)).max() < 1e-2 * np.abs(vocoder.render(wav)).max()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("samples", [22_050, 22_051, 3_000])
def test_rendering_keeps_the_length(tiny_run, task, samples):
    vocoder = train(tiny_run, task)
    voice = Voice(np.zeros(192, np.float32), np.zeros(88, np.float32), log_f0_median=5.0, log_f0_std=0.1)
    wav = vocoder.render(voiced(1.01)[:samples], voice)
    assert wav.shape == (samples,)
    assert wav.dtype == np.float32


def test_an_embedding_left_out_is_the_mean(tiny_run):
    vocoder = train(tiny_run, "resynthesis")
    mel = torch.randn(1, 80, 6)
    condition = vocoder.generator.condition
    given = vocoder(mel, condition.speaker_statistics.mean[None], condition.emotion_statistics.mean[None])
    assert torch.equal(vocoder(mel), given)


def test_only_the_conversion_vocoder_takes_the_voice_out(tiny_run):
    low, high = (0.4 * voiced(1.0, f0=f0) for f0 in (120.0, 220.0))
    vocoders = {task: train(tiny_run, task) for task in TASKS}
    assert not vocoders["resynthesis"].converts
    assert torch.equal(vocoders["resynthesis"].content(low, 5.0), vocoders["resynthesis"].content(low))
    converts = vocoders["conversion"]
    assert converts.converts
    moved, own = converts.content(low, np.log(220.0)), converts.content(high)
    assert (moved[:, -2] - own[:, -2]).abs().median() < 0.05, "at the target's level"
    assert (converts.content(low)[:, -2] - own[:, -2]).abs().median() > 1


def test_guidance_changes_the_sound_and_zero_forgets_the_voice(tiny_run):
    vocoder = Vocoder.from_pretrained(tiny_run.path / "conversion" / "vocoder")
    for module in vocoder.generator.modules():
        if hasattr(module, "affine"):
            torch.nn.init.normal_(module.affine.weight, std=0.1)
    content = vocoder.content(voiced(1.0))
    voices = [(torch.randn(1, 192), torch.randn(1, 88)) for _ in range(2)]
    neutral = [vocoder(content, *voice, guidance=0.0) for voice in voices]
    assert torch.equal(*neutral)
    assert not torch.equal(vocoder(content, *voices[0]), vocoder(content, *voices[0], guidance=1.5))


def test_untrained_is_seeded_and_not_trained(tiny_run):
    trained = train(tiny_run, "conversion")
    one, other = (Vocoder.untrained(trained.meta) for _ in range(2))
    content = trained.content(voiced(1.0))
    assert torch.equal(one(content), other(content))
    assert not torch.equal(one(content), trained(content))


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
    assert not pretrained.is_cached("hifigan-universal")
