"""Inaudible watermark of synthetic speech: Perth's implicit watermark (Resemble AI, MIT licence).

One network changes the magnitudes below 2 kHz where the change is masked; another detects it. The weights come with
the wheel of resemble-perth and are loaded, as tensors only, if their SHA-256 is the pinned one. `python -m benchmarks
watermark` measures detection after compression and editing, the cost in quality, and the false-positive rate.
"""

import functools
from importlib.resources import files

import numpy as np
import torch

from thesis_lib.audio.files import as_samples, check_audible, resample
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import sha256

WEIGHTS = ("pretrained", "implicit", "perth_net_250000.pth.tar")
SHA256 = "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670"
RATE = 32_000  # Hz, input of the networks
MIN_MARKED_SECONDS = 0.1  # shorter speech gets no watermark
WINDOW_SECONDS = 30  # input of one call of the detector
MIN_MARK_PROBABILITY = 0.5  # from which a recording counts as marked


class WatermarkError(ThesisError):
    """Weights of the watermark that are not the pinned ones."""


def add_watermark(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Add the watermark: (N,) -> (N,) float32. Silence, and less than ``MIN_MARKED_SECONDS``, is returned unchanged."""
    wav = as_samples(wav, "speech")
    if len(wav) < MIN_MARKED_SECONDS * sample_rate or not wav.any():
        return wav
    marked = _perth().apply_watermark(resample(wav, sample_rate, RATE), RATE)
    back = resample(marked, RATE, sample_rate)[: len(wav)]
    # The inverse STFT returns whole hops only; the samples of an incomplete last hop stay unmarked.
    return np.concatenate([back, wav[len(back) :]])


def watermark(wav: np.ndarray, sample_rate: int, source: object = "audio") -> float:
    """Probability, 0..1, that (N,) carries the watermark: the mean over its windows.

    Raises AudioError for silence, for samples that are not finite, and for a recording that is too short.
    """
    wav = as_samples(wav, source)
    check_audible(wav, sample_rate, source)
    windows = np.array_split(wav, -(-len(wav) // (WINDOW_SECONDS * sample_rate)))
    with torch.inference_mode():
        found = [_perth().get_watermark(resample(x, sample_rate, RATE), RATE, round=False) for x in windows if x.any()]
    return float(np.mean(found))


def load() -> None:
    """Load the networks now, so that the first recording does not wait for it."""
    _perth()


@functools.cache
def _perth():
    from perth.perth_net.perth_net_implicit.config import default_hp
    from perth.perth_net.perth_net_implicit.model.perth_net import PerthNet
    from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker

    path = files("perth.perth_net").joinpath(*WEIGHTS)
    if sha256(path) != SHA256:
        raise WatermarkError(f"{path} is not the pinned file: pip install --force-reinstall resemble-perth")
    network = PerthNet(default_hp)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["model"], strict=True)
    return PerthImplicitWatermarker(run_name=None, perth_net=network.eval().requires_grad_(False))
