"""An inaudible mark that says "this was synthesised": Perth's implicit watermark (Resemble AI, MIT).

A network changes the magnitudes below 2 kHz where the ear masks the change; another one finds it again. The weights
are in the package's wheel, and are loaded as tensors only when they are the pinned bytes. `python -m benchmarks
watermark` shows what the mark survives, what it costs, and how often it is seen where there is none.
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
RATE = 32_000  # Hz, what the networks hear
SHORTEST = 0.1  # s
WINDOW = 30  # s that are looked at together
MARKED = 0.5  # certainty from which a recording counts as marked


class WatermarkError(ThesisError):
    """The watermark's weights are not the pinned ones."""


def add_watermark(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """(N,) -> (N,) float32 with the mark in it. What is shorter than ``SHORTEST`` or silent is returned as it is."""
    wav = as_samples(wav, "speech")
    if len(wav) < SHORTEST * sample_rate or not wav.any():
        return wav
    marked = _perth().apply_watermark(resample(wav, sample_rate, RATE), RATE)
    back = resample(marked, RATE, sample_rate)[: len(wav)]
    # The inverse STFT has whole hops only; what is left of the last one stays unmarked.
    return np.concatenate([back, wav[len(back) :]])


def watermark(wav: np.ndarray, sample_rate: int, source: object = "audio") -> float:
    """How surely (N,) carries the mark, 0..1: the mean over its windows. AudioError for silence and its like."""
    wav = as_samples(wav, source)
    check_audible(wav, sample_rate, source)
    windows = np.array_split(wav, -(-len(wav) // (WINDOW * sample_rate)))
    with torch.inference_mode():
        heard = [_perth().get_watermark(resample(x, sample_rate, RATE), RATE, round=False) for x in windows if x.any()]
    return float(np.mean(heard))


def load() -> None:
    """Have the networks ready: seconds that the first recording need not wait."""
    _perth()


@functools.cache
def _perth():
    from perth.perth_net.perth_net_implicit.config import default_hp
    from perth.perth_net.perth_net_implicit.model.perth_net import PerthNet
    from perth.perth_net.perth_net_implicit.perth_watermarker import PerthImplicitWatermarker

    path = files("perth.perth_net").joinpath(*WEIGHTS)
    if sha256(path) != SHA256:
        raise WatermarkError(f"{path} is not the pinned file: install resemble-perth anew")
    network = PerthNet(default_hp)
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["model"], strict=True)
    return PerthImplicitWatermarker(run_name=None, perth_net=network.eval().requires_grad_(False))
