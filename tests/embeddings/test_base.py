"""What every encoder has in common: the vector of a recording at any rate, or an error."""

import numpy as np
import pytest
import soundfile
from canaries import case
from helpers import voiced

from thesis_lib.audio.files import AudioError, read_audio, resample, write_audio
from thesis_lib.embeddings.encoders import EncoderError, embed
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder


@pytest.mark.parametrize(
    ("wav", "reason"),
    [(np.zeros(16_000), "silence"), (np.full(16_000, np.nan), "not finite"), (np.ones(1), "too short")],
)
def test_no_vector_for_unusable_audio(wav, reason):
    with pytest.raises(AudioError, match=reason):
        embed(TinyTestEncoder(), wav.astype(np.float32), 16_000)


@pytest.mark.parametrize("vector", [np.full(192, np.nan), np.zeros(191), np.zeros((1, 192))])
def test_a_wrong_vector_is_an_error(vector, monkeypatch):
    encoder = TinyTestEncoder()
    monkeypatch.setattr(encoder, "encode", lambda wav: vector)
    with pytest.raises(EncoderError):
        embed(encoder, voiced(), 22_050)


def test_any_rate_is_resampled_inside():
    encoder, wav = TinyTestEncoder(), voiced(1.0, 48_000)
    assert np.allclose(embed(encoder, wav, 48_000), embed(encoder, resample(wav, 48_000, 16_000), 16_000))


def test_a_truncated_mp3_and_a_recording_of_nan_give_no_vector(canary):
    path = case(canary) / "a.mp3"
    write_audio(path, voiced(3.0), 22_050)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(AudioError, match="a.mp3"):
        read_audio(path)
    path = case(canary) / "a.wav"
    soundfile.write(path, np.full(22_050, np.nan, np.float32), 22_050, subtype="FLOAT")
    with pytest.raises(AudioError, match="a.wav: not finite"):
        embed(TinyTestEncoder(), *read_audio(path), path)
