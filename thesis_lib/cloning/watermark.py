"""Inaudible watermark of synthetic speech: Perth's implicit watermark (Resemble AI, MIT licence).

One network changes the magnitudes below 2 kHz where the change is masked; another detects it, if the speed differs by
at most 1.5 %. So a recording is searched at several speeds. ``perth`` computes the networks.
The weights come with the wheel of resemble-perth, whose code is not imported, and are loaded, as tensors only, if their
SHA-256 is the pinned one. `python -m benchmarks watermark` measures detection after compression and editing, the cost
in quality, and the false-positive rate.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import MIN_PEAK, as_samples, check_audible, resample
from thesis_lib.cloning.perth import HOP, Perth
from thesis_lib.pretrained.torch_file import read_checkpoint
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import sha256

WEIGHTS = Path("perth_net", "pretrained", "implicit", "perth_net_250000.pth.tar")
SHA256 = "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670"
RATE = 32_000  # Hz, input of the networks
MIN_MARKED_SECONDS = 0.1  # shorter speech gets no watermark
WINDOW_SECONDS = 30  # input of one call of the detector
MIN_MARK_PROBABILITY = 0.5  # from which a recording counts as marked
# Speeds at which the watermark is searched, relative to the marked recording; all of 0.89 to 1.11 is within 1.4 %.
SPEEDS = (1.0, 0.975, 1.025, 0.95, 1.05, 0.925, 1.075, 0.9, 1.1)
MAX_SEARCHED_WINDOWS = 3  # windows of a long recording that are searched at every speed


class WatermarkError(ThesisError):
    """Weights of the watermark that are not the pinned ones."""


def add_watermark(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Add the watermark: (N,) -> (N,) float32. Silence, and less than ``MIN_MARKED_SECONDS``, is returned unchanged."""
    wav = as_samples(wav, "speech")
    if len(wav) < MIN_MARKED_SECONDS * sample_rate or not wav.any():
        return wav
    given = resample(wav, sample_rate, RATE)
    # The inverse STFT returns whole hops only: with another hop at the end, all samples are marked.
    marked = _perth().mark(np.pad(given, (0, HOP + -len(given) % HOP), mode="reflect"))
    return resample(marked, RATE, sample_rate)[: len(wav)]


@dataclass(frozen=True)
class Detection:
    """The detector's output."""

    probability: float  # 0..1, that the recording carries the watermark
    speed: float  # of the recording, relative to the marked one, at which the probability is highest

    @property
    def is_marked(self) -> bool:
        """Whether the recording counts as marked."""
        return self.probability >= MIN_MARK_PROBABILITY


def detect_watermark(wav: np.ndarray, sample_rate: int, source: object = "audio") -> Detection:
    """Search (N,) for the watermark.

    The probability is the mean over the windows that are not silent. The original speed is tried first. Where it shows
    no watermark, ``SPEEDS`` are tried on some windows, and the best one on all. Raises AudioError for silence, for
    samples that are not finite, and for a recording that is too short.
    """
    wav = as_samples(wav, source)
    check_audible(wav, sample_rate, source)
    windows = np.array_split(wav, -(-len(wav) // (WINDOW_SECONDS * sample_rate)))
    # A codec writes silence as samples that are nearly zero: in them no frame is loud.
    audible = [window for window in windows if np.abs(window).max() >= MIN_PEAK]
    found = Detection(_probability(audible, sample_rate, 1.0), 1.0)
    if found.is_marked:
        return found
    some = audible[:: -(-len(audible) // MAX_SEARCHED_WINDOWS)]
    speed = max(SPEEDS, key=lambda speed: _probability(some, sample_rate, speed))
    return max(found, Detection(_probability(audible, sample_rate, speed), speed), key=lambda x: x.probability)


def _probability(windows: Sequence[np.ndarray], sample_rate: int, speed: float) -> float:
    """The mean over windows (n,) of a recording that plays ``speed`` times as fast as the marked one."""
    return float(np.mean([_perth().probability(resample(x, sample_rate / speed, RATE)) for x in windows]))


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
