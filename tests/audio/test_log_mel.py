"""The frequency range of the log-mel spectrogram, in NumPy and in torch."""

import numpy as np
import pytest
import torch

from thesis_lib.audio.log_mel import LogMelFrames, log_mel
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, Config

IN_NUMPY = {"filters": lambda audio: LogMelFrames(audio).filters, "mel": log_mel}
IN_TORCH = {
    "filters": lambda audio: LogMel(audio).filters.numpy(),
    "mel": lambda wav, audio: LogMel(audio)(torch.from_numpy(wav)[None])[0].numpy(),
}


def audio_with(**changes) -> AudioConfig:
    return Config().override({f"audio.{key}": value for key, value in changes.items()}).audio


def tone(hz: float, rate: int = 22_050) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(rate) / rate)).astype(np.float32)


@pytest.mark.parametrize("ours", [IN_NUMPY, IN_TORCH], ids=["numpy", "torch"])
@pytest.mark.parametrize("limits", [{"fmin": 300.0}, {"fmax": 4000.0}, {"fmin": 50.0, "fmax": 11_025.0}])
def test_the_filters_cover_the_range_of_the_settings(ours, limits):
    """The bins of the Fourier transform between the two frequencies have a weight, and no other bin."""
    expected = {"fmin": 0.0, "fmax": 8000.0} | limits
    hz = np.arange(513) * 22_050 / 1024
    weights = ours["filters"](audio_with(**limits)).sum(0)
    np.testing.assert_array_equal(weights > 0, (hz > expected["fmin"]) & (hz < expected["fmax"]))


@pytest.mark.parametrize("ours", [IN_NUMPY, IN_TORCH], ids=["numpy", "torch"])
@pytest.mark.parametrize(("hz", "limits"), [(100.0, {"fmin": 500.0}), (7000.0, {"fmax": 5000.0})])
def test_a_tone_outside_the_range_is_not_in_the_mel(ours, hz, limits):
    """40 dB and more below the tone in the default range: what is left are the side lobes of the window."""
    mels = [ours["mel"](tone(hz), audio)[:, 5:-5] for audio in (AudioConfig(), audio_with(**limits))]
    inside, outside = (mel.max() for mel in mels)  # without the frames that have the reflected ends
    assert outside < inside - np.log(100)
