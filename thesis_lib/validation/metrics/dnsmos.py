"""DNSMOS: predicted opinion of speech (Reddy et al. 2022, arXiv:2110.01763), at a quarter of the computation.

The published code rates windows of 9.01 s that start a second apart, each by itself, so that most of a recording goes
through the networks eight or nine times. Nine tenths of that is four convolutions, which receive four frames on each
side and can be shared: here they run once over all windows together, and once more over the frames at each window's
ends, where the published code pads with zeros. The values equal the published code's.
"""

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thesis_lib.utils.load_librosa import load_librosa
from thesis_lib.utils.onnx_graph import session
from thesis_lib.validation.metrics.errors import measured
from thesis_lib.validation.metrics.recording import WIDEBAND, Recording

WINDOW, HOP = 144_160, WIDEBAND  # samples
FRAMES, STEP = 900, 100  # the same in frames of 10 ms
MAX_SHARED_WINDOWS = 16  # that share the convolutions: bounds the memory for a long recording
CONTEXT_FRAMES = 4  # frames that the four convolutions receive on each side
CUTS = ("input_1", "adjusted_input6", "mos_estimator_logpow/conv2d_3/Relu:0", "Identity:0")  # samples ... opinions
OVERALL = 2  # of P.835's three: signal, background, overall


@dataclass(frozen=True)
class _Models:
    published: Any  # the package's predictor: its mel spectrogram and the scale of its opinions
    spectrum: Any  # (1, WINDOW) -> (1, 1, FRAMES, 161) log power
    trunk: Any  # (B, 1, any T, 161) -> (B, 32, T, 161): the four convolutions
    head: Any  # (1, 32, FRAMES, 161) -> (1, 3)
    p808: Any  # (1, FRAMES, 120) -> (1, 1)


@functools.cache
def _models() -> _Models:
    """Sessions of one thread: those of speechmos take every core, and their threads spin while they wait."""
    import onnx
    from speechmos import dnsmos as package

    load_librosa()  # the package uses it

    folder = Path(package.__file__).parent / "dnsmos_models"
    paths = [str(folder / name) for name in ("sig_bak_ovr.onnx", "model_v8.onnx")]
    whole = onnx.load(paths[0])
    spectrum, trunk, head = (_part(whole, *ends) for ends in itertools.pairwise(CUTS))
    return _Models(package.DNSMOS(*paths), spectrum, trunk, head, session(Path(paths[1]), 1))


def _part(whole, start: str, end: str):
    """A session for the nodes from one tensor to another, of any length."""
    from onnx import TensorProto, helper

    first = next(number for number, node in enumerate(whole.graph.node) if start in node.input)
    last = next(number for number, node in enumerate(whole.graph.node) if end in node.output)
    nodes = whole.graph.node[first : last + 1]
    used = {name for node in nodes for name in node.input}
    weights = [tensor for tensor in whole.graph.initializer if tensor.name in used]
    first_in, last_out = ([helper.make_tensor_value_info(x, TensorProto.FLOAT, None)] for x in (start, end))
    graph = helper.make_graph(nodes, end, first_in, last_out, weights)
    return session(helper.make_model(graph, opset_imports=whole.opset_import).SerializeToString(), 1)


def _run(part, x: np.ndarray) -> np.ndarray:
    return part.run(None, {part.get_inputs()[0].name: x.astype(np.float32)})[0]


def dnsmos(recording: Recording) -> dict[str, float]:
    """Mean opinion over the windows: P.835 overall and P.808. MetricError for silence."""
    windows = _windows(recording.audible("DNSMOS"))
    models = _models()
    overall, p808 = [], []
    for first in range(0, len(windows), MAX_SHARED_WINDOWS):
        group = windows[first : first + MAX_SHARED_WINDOWS]
        overall += [models.published.get_polyfit_val(*raw, False)[OVERALL] for raw in _opinions(group)]
        mels = (models.published.audio_melspec(audio=window[:-160]) for window in group)
        p808 += [_run(models.p808, mel[None])[0, 0] for mel in mels]
    return {"dnsmos_ovrl": measured(np.mean(overall), "DNSMOS"), "dnsmos_p808": measured(np.mean(p808), "DNSMOS")}


def _windows(wav: np.ndarray) -> list[np.ndarray]:
    """(N,) -> the published code's windows; a signal shorter than one is repeated first."""
    while len(wav) < WINDOW:
        wav = np.append(wav, wav)
    count = max(1, len(wav) // WIDEBAND - WINDOW // WIDEBAND)
    return [wav[number * HOP : number * HOP + WINDOW] for number in range(count)]


def _opinions(windows: list[np.ndarray]) -> list[np.ndarray]:
    """Raw opinions of windows that follow each other: signal, background, overall."""
    models = _models()
    spectra = [_run(models.spectrum, window[None])[0] for window in windows]
    whole = np.concatenate([spectra[0], *(spectrum[:, FRAMES - STEP :] for spectrum in spectra[1:])], axis=1)
    shared = _run(models.trunk, whole[None])[0]
    edges = [
        edge for spectrum in spectra for edge in (spectrum[:, : 2 * CONTEXT_FRAMES], spectrum[:, -2 * CONTEXT_FRAMES :])
    ]
    ends = _run(models.trunk, np.stack(edges))
    opinions = []
    for number, (head, tail) in enumerate(zip(ends[::2], ends[1::2], strict=True)):
        middle = shared[:, number * STEP + CONTEXT_FRAMES : number * STEP + FRAMES - CONTEXT_FRAMES]
        seen = np.concatenate([head[:, :CONTEXT_FRAMES], middle, tail[:, -CONTEXT_FRAMES:]], axis=1)
        opinions.append(_run(models.head, seen[None])[0])
    return opinions
