"""The released emotion encoder: what goes in and out, bad input, and the shipped weights."""

import json
import shutil

import numpy as np
import pytest
import torch
from helpers import chords, spoken, voiced

from thesis_lib.audio.world import shifted
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import EncoderError, embed, emotion_encoder
from thesis_lib.embeddings.encoders.emotion import EmotionEncoder, statistics
from thesis_lib.embeddings.encoders.emotion_numpy import DEFAULT_FOLDER, NumpyEmotionEncoder, trimmed
from thesis_lib.embeddings.encoders.whisper import WhisperEncoder
from thesis_lib.embeddings.encoders.whisper_weights import WIDTH
from thesis_lib.utils.files import sha256
from thesis_lib.vocoder.description import EncoderMismatchError, VocoderDescription
from thesis_lib.vocoder.synthesis import RELEASED, SMALL

RATE = 16_000
weights = pytest.mark.weights("whisper-tiny.en")


@pytest.fixture(scope="module")
def encoder() -> EmotionEncoder:
    return EmotionEncoder()


@weights
def test_it_is_chosen_by_name_and_its_vectors_have_unit_length():
    encoder = emotion_encoder(EncoderConfig(emotion="whisper-emotion"))
    vector = embed(encoder, spoken(0, RATE), RATE)
    assert vector.shape == (encoder.dim,) == (64,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)
    assert np.array_equal(embed(EmotionEncoder(), spoken(0, RATE), RATE), vector), "the same in every process"


@weights
def test_the_shipped_weights_are_the_trained_ones(encoder):
    """Golden values, and what the head was trained for: another speaker's version of a recording changes little."""
    golden = [0.003, -0.015, -0.164, 0.184]
    assert np.allclose(encoder.encode(voiced(1.0, RATE))[:4], golden, atol=0.02)
    wavs = [spoken(number, RATE) for number in (0, 12, 24)]
    others = [shifted(wav, RATE, 1.2, 1.12).astype(np.float32) for wav in wavs]
    cosines = np.array([encoder.encode(w) for w in wavs]) @ np.array([encoder.encode(w) for w in others]).T
    assert cosines.diagonal().min() > 0.9
    assert cosines[0, 2] < 0.5


@weights
def test_the_revision_names_the_weights_and_the_layers_below(encoder):
    assert encoder.revision == f"{sha256(DEFAULT_FOLDER / 'model.safetensors')[:12]}+{WhisperEncoder().revision}"


@weights
@pytest.mark.parametrize("gain", [0.01, 0.3, 3.0])
def test_loudness_and_silence_at_the_ends_change_nothing(encoder, gain):
    wav = spoken(0, RATE)
    other = np.concatenate([np.zeros(8000), gain * wav, np.zeros(12_000)]).astype(np.float32)
    assert encoder.encode(other) @ encoder.encode(wav) > 0.99


@weights
def test_a_batch_gives_what_each_gives_alone(encoder):
    wavs = torch.from_numpy(np.stack([spoken(number, RATE)[:40_000] for number in (0, 6)]))
    with torch.inference_mode():
        assert torch.allclose(encoder(wavs), torch.cat([encoder(wav[None]) for wav in wavs]), atol=1e-5)


@weights
@pytest.mark.parametrize(
    "wav",
    [
        np.zeros(RATE),
        np.zeros(1),
        np.full(3200, 0.5),
        voiced(0.1, RATE),
        0.3 * np.random.default_rng(0).normal(size=RATE),
        1e-6 * np.random.default_rng(0).normal(size=300),
        np.sign(voiced(1.0, RATE)),
        chords(4.0, RATE),
        voiced(40.0, RATE),
    ],
    ids=["silence", "one sample", "constant", "tenth of a second", "noise", "faint noise", "clipped", "music", "long"],
)
def test_any_input_has_a_finite_vector(encoder, wav):
    vector = encoder.encode(wav.astype(np.float32))
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)


@weights
def test_a_long_recording_is_the_statistics_of_its_windows(encoder):
    """The same two seconds twice have the mean and the deviation of the two seconds."""
    wav = torch.from_numpy(spoken(0, RATE)[:32_000])[None]
    once, twice = (statistics(encoder.frozen, x, (0, 2)) for x in (wav, torch.cat([wav, wav], dim=1)))
    assert once.shape == (1, 4 * WIDTH)
    assert torch.allclose(once, twice, atol=1e-3)


@weights
def test_it_has_a_gradient_and_no_trainable_weight(encoder):
    wav = torch.from_numpy(spoken(0, RATE)[:40_000])[None].requires_grad_()
    encoder(wav)[:, 0].sum().backward()
    assert wav.grad.isfinite().all()
    assert wav.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_the_ends_are_cut_and_a_short_recording_is_padded():
    wav = np.concatenate([np.zeros(9600), voiced(1.0, RATE), np.zeros(9600)]).astype(np.float32)
    assert abs(len(trimmed(wav)) - RATE) <= 1600
    assert len(trimmed(voiced(0.1, RATE))) == 6400


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(EncoderError, match="thesis weights emotion"):
        EmotionEncoder(tmp_path)
    shutil.copytree(DEFAULT_FOLDER, tmp_path, dirs_exist_ok=True)
    settings = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(settings | {"hidden": 7}))
    with pytest.raises(EncoderError, match="not a folder of the emotion encoder"):
        EmotionEncoder(tmp_path)


def test_a_vocoder_of_another_emotion_encoder_refuses_it_by_name():
    released = VocoderDescription.of(json.loads((RELEASED[SMALL] / "config.json").read_text()))
    with pytest.raises(EncoderMismatchError, match=r"encoders.emotion=whisper-emotion.*egemaps"):
        released.encoder_config(EncoderConfig(emotion="whisper-emotion"))
    ours = released.with_changes(emotion_encoder="whisper-emotion (abc)", emotion_dim=64)
    assert ours.encoder_config().emotion == "whisper-emotion"
    with pytest.raises(EncoderMismatchError, match=r"encoders.emotion=egemaps.*whisper-emotion"):
        ours.encoder_config(EncoderConfig(emotion="egemaps"))


@weights
def test_without_torch_the_vectors_are_those_of_torch():
    ours = emotion_encoder(EncoderConfig(emotion="whisper-emotion"), inference=True)
    theirs = emotion_encoder(EncoderConfig(emotion="whisper-emotion"))
    assert isinstance(ours, NumpyEmotionEncoder)
    assert (ours.name, ours.revision, ours.dim) == (theirs.name, theirs.revision, theirs.dim)
    for wav in (spoken(0, 16_000), spoken(1, 16_000)[:3000], np.zeros(8000, np.float32)):
        a, b = ours.encode(wav), theirs.encode(wav)
        assert np.abs(a - b).max() < 1e-4
        assert a @ b > 0.9999


def test_without_torch_the_tensors_must_be_those_of_the_settings(tmp_path):
    folder = shutil.copytree(DEFAULT_FOLDER, tmp_path / "emotion")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"hidden": 7}))
    with pytest.raises(EncoderError, match="not those of config"):
        NumpyEmotionEncoder(folder)
    (folder / "config.json").unlink()
    with pytest.raises(EncoderError, match="not a folder of the emotion encoder"):
        NumpyEmotionEncoder(folder)
