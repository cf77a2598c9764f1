"""Inaudible watermark of synthetic speech: Perth's implicit watermark (Resemble AI, MIT licence).

One network changes the magnitudes below 2 kHz where the change is masked; another detects it, if the speed differs by
at most 1.5 %. So a recording is searched at several speeds. ``perth`` computes the networks.
The weights come with the wheel of resemble-perth; its code is not imported. They are loaded, as tensors only, if their
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
from thesis_lib.cloning.perth import HOP, Detector, Marker
from thesis_lib.pretrained.torch_file import read_checkpoint
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import sha256

WEIGHTS = Path("perth_net", "pretrained", "implicit", "perth_net_250000.pth.tar")
SHA256 = "a15bce457ebc53ce5e6c9c3f11df78cf7ee2bf9cdab0a798902135b4c4027670"
RATE = 32_000  # Hz, input of the networks
MIN_MARKED_SECONDS = 0.1  # shorter speech gets no watermark
MIN_WINDOW_SECONDS = 15  # input of one call of the detector; windows are less than half longer
MIN_MARK_PROBABILITY = 0.5  # mean over the windows from which a recording counts as marked
# Of one window, from which a recording of several windows counts as marked in part. It lies midway between what human
# training recordings (LibriSpeech, speechocean762) reach. Unmarked: at most 0.73 in 1,376 windows of 15 s (2.9 hours)
# at the original speed, and at most 0.73 in 141 windows, the 24 highest among them, at 25 relative speeds from 0.82 to
# 1.22. Marked: at least 0.97 in the best window of 104 stretches of 20 or 30 s in files of 75 to 105 s. Of 56
# stretches of 15 s, 89 % reach 0.85.
MIN_WINDOW_PROBABILITY = 0.85
# Speeds at which the watermark is searched, relative to the marked recording; all of 0.89 to 1.11 is within 1.4 %.
SEARCHED_SPEEDS = (1.0, 0.975, 1.025, 0.95, 1.05, 0.925, 1.075, 0.9, 1.1)
MAX_SEARCHED_WINDOWS = 6  # of a recording that is searched at every speed in whole windows; a longer one by probes
PROBE_SECONDS = 2.0  # of each window, its input at other speeds
# From which a window and its neighbours are searched whole at a probe's speed. In human training recordings, each of 27
# windows that are full of marked speech has a probe (there its middle two seconds) of at least 0.70 at one of the two
# nearest speeds. In 3.3 hours without the watermark, 411 of 10,496 pairs of window and other speed are searched whole,
# and reach at most 0.60.
MIN_PROBE_PROBABILITY = 0.5


class WatermarkError(ThesisError):
    """Weights of the watermark that are not the pinned ones."""


def add_watermark(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Add the watermark: (N,) -> (N,) float32. Silence, and less than ``MIN_MARKED_SECONDS``, is returned unchanged."""
    wav = as_samples(wav, "speech")
    if len(wav) < MIN_MARKED_SECONDS * sample_rate or not wav.any():
        return wav
    given = resample(wav, sample_rate, RATE)
    # The inverse STFT returns whole hops only: with another hop at the end, all samples are marked.
    marked = _marker().mark(np.pad(given, (0, HOP + -len(given) % HOP), mode="reflect"))
    return resample(marked, RATE, sample_rate)[: len(wav)]


@dataclass(frozen=True)
class Detection:
    """The detector's output."""

    probability: float  # 0..1, the highest of a window
    mean: float  # 0..1, over the windows; at another speed of a long recording, over their probes where none is marked
    speed: float  # of the recording, relative to the marked one, at which these probabilities are found
    spans: tuple[tuple[float, float], ...] = ()  # start and end in s of the marked windows

    @property
    def is_marked(self) -> bool:
        """Whether the recording counts as marked, in whole or in part."""
        return bool(self.spans)


def detect_watermark(wav: np.ndarray, sample_rate: int, source: object = "audio") -> Detection:
    """Search (N,) for the watermark, in windows of 15 to 22.5 s, which overlap by half.

    A recording counts as marked where the mean over its windows reaches ``MIN_MARK_PROBABILITY``, or one window
    reaches ``MIN_WINDOW_PROBABILITY``. A marked stretch of one and a half windows fills one window, wherever it begins.
    Silent windows do not count. The original speed is tried first. Where it shows no watermark, the other
    ``SEARCHED_SPEEDS`` are tried: so of a recording with stretches at several speeds, those at one speed are found.
    Raises AudioError for silence, for samples that are not finite, and for a recording that is too short.
    """
    wav = as_samples(wav, source)
    check_audible(wav, sample_rate, source)
    windows = _windows(wav, sample_rate)
    found = _detection(windows, _probabilities(windows, sample_rate, 1.0), 1.0)
    if found.is_marked:
        return found
    others = (_at_speed(windows, sample_rate, speed) for speed in SEARCHED_SPEEDS[1:])
    return max((found, *others), key=lambda x: (x.is_marked, x.probability))


@dataclass(frozen=True)
class _Window:
    wav: np.ndarray  # (n,)
    start: float  # s
    end: float  # s

    @property
    def is_audible(self) -> bool:
        """Whether it is more than silence. A codec writes silence as samples that are nearly zero."""
        return bool(np.abs(self.wav).max() >= MIN_PEAK)

    def probe(self, sample_rate: int) -> "_Window":
        """The loudest ``PROBE_SECONDS`` of the middle half, in steps of that length: a pause has no watermark."""
        size, middle = int(PROBE_SECONDS * sample_rate), self.wav[len(self.wav) // 4 : -(len(self.wav) // 4)]
        pieces = middle[: len(middle) // size * size].reshape(-1, size)
        return _Window(pieces[np.square(pieces).sum(1).argmax()], self.start, self.end)


def _windows(wav: np.ndarray, sample_rate: int) -> list[_Window]:
    """The windows of (N,) that are not silent; each begins in the middle of the one before."""
    halves = max(2, int(len(wav) / (MIN_WINDOW_SECONDS / 2 * sample_rate)))
    edges = np.linspace(0, len(wav), halves + 1).astype(int).tolist()
    every = [_Window(wav[a:b], a / sample_rate, b / sample_rate) for a, b in zip(edges[:-2], edges[2:], strict=True)]
    return [window for window in every if window.is_audible]


def _at_speed(windows: Sequence[_Window], sample_rate: int, speed: float) -> Detection:
    """The detection at another speed than the original one. In a long recording, windows are found by their probes."""
    found, near = np.zeros(len(windows)), np.ones(len(windows), bool)
    if len(windows) > MAX_SEARCHED_WINDOWS:
        found = _probabilities([window.probe(sample_rate) for window in windows], sample_rate, speed)
        near = np.convolve(found >= MIN_PROBE_PROBABILITY, np.ones(3), "same") > 0
    found[near] = _probabilities([x for x, is_near in zip(windows, near, strict=True) if is_near], sample_rate, speed)
    return _detection(windows, found, speed)


def _detection(windows: Sequence[_Window], found: np.ndarray, speed: float) -> Detection:
    """The decision by the probabilities (n,) of the windows."""
    highest, mean = float(found.max()), float(found.mean())
    if mean < MIN_MARK_PROBABILITY and highest < MIN_WINDOW_PROBABILITY:
        return Detection(highest, mean, speed)
    spans: list[tuple[float, float]] = []
    for window, probability in zip(windows, found, strict=True):
        if probability >= MIN_MARK_PROBABILITY:
            follows = spans and spans[-1][1] >= window.start
            spans.append((spans.pop()[0] if follows else window.start, window.end))
    return Detection(highest, mean, speed, tuple(spans))


def _probabilities(windows: Sequence[_Window], sample_rate: int, speed: float) -> np.ndarray:
    """(n,) of windows of a recording that plays ``speed`` times as fast as the marked one; 0 of silent ones."""
    wavs = (resample(x.wav, sample_rate / speed, RATE) if x.is_audible else None for x in windows)
    return np.array([0.0 if wav is None else _detector().probability(wav) for wav in wavs])


def load_network() -> None:
    """Load the network that marks now, so that the first recording does not wait for it."""
    _marker()


@functools.cache
def _marker() -> Marker:
    return Marker(_tensors())


@functools.cache
def _detector() -> Detector:
    return Detector(_tensors())


def _tensors() -> dict[str, np.ndarray]:
    path = weights_path()
    if not path.is_file() or sha256(path) != SHA256:
        raise WatermarkError(f"{path} is not the pinned file: pip install --force-reinstall resemble-perth")
    return read_checkpoint(path)["model"]


def weights_path() -> Path:
    """The checkpoint in the installed package resemble-perth, which is found but not imported.

    Raises WatermarkError where the package is missing.
    """
    package = find_spec("perth")
    if package is None or not package.submodule_search_locations:
        raise WatermarkError("the watermark needs the package resemble-perth: pip install resemble-perth")
    return Path(package.submodule_search_locations[0]) / WEIGHTS
