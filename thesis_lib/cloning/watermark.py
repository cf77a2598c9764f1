"""Inaudible watermark of synthetic speech: Perth's implicit watermark (Resemble AI, MIT licence).

One network changes the magnitudes below 2 kHz where the change is masked; another detects it. ``perth`` computes them.
The weights come with the wheel of resemble-perth, whose code is not imported, and are loaded, as tensors only, if their
SHA-256 is the pinned one. `python -m benchmarks watermark` measures detection after compression and editing, the cost
in quality, and the false-positive rate.
"""

import functools
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import as_samples, check_audible, resample
from thesis_lib.cloning.perth import Perth
from thesis_lib.pretrained.torch_file import read_checkpoint
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import sha256

WEIGHTS = Path("perth_net", "pretrained", "implicit", "perth_net_250000.pth.tar")
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
    marked = _perth().mark(resample(wav, sample_rate, RATE))
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
    found = [_perth().probability(resample(x, sample_rate, RATE)) for x in windows if x.any()]
    return float(np.mean(found))


def load() -> None:
    """Load the networks now, so that the first recording does not wait for it."""
    _perth()


@functools.cache
def _perth() -> Perth:
    path = weights_path()
    if not path.is_file() or sha256(path) != SHA256:
        raise WatermarkError(f"{path} is not the pinned file: pip install --force-reinstall resemble-perth")
    return Perth(read_checkpoint(path)["model"])


def weights_path() -> Path:
    """The checkpoint in the installed package resemble-perth, which is found but not imported.

    Raises WatermarkError where the package is missing.
    """
    package = find_spec("perth")
    if package is None or not package.submodule_search_locations:
        raise WatermarkError("the watermark needs the package resemble-perth: pip install resemble-perth")
    return Path(package.submodule_search_locations[0]) / WEIGHTS
