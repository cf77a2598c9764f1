"""Predicted opinion: networks that were trained on listeners' ratings and need no reference.

None of them replaces listeners (arXiv:2606.03241): several stand side by side, and the listening test beside them.
"""

import functools
import threading
from pathlib import Path

import numpy as np

from thesis_lib.metrics.errors import MetricError, measured
from thesis_lib.metrics.recording import WIDEBAND, Recording

_DRAWS = threading.Lock()  # NumPy's global generator is one for all threads


def _samples(recording: Recording, predictor: str) -> np.ndarray:
    if recording.is_silent:
        raise MetricError(f"the signal is silent: {predictor} rates speech")
    return np.clip(recording.wideband, -1, 1)


def _session(path: Path):
    # One thread: the package's own sessions take every core, and their threads spin while they wait, so that a
    # second of speech costs up to seven times the processor time. The values agree to 1e-5.
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@functools.cache
def _dnsmos():
    from speechmos import dnsmos as package

    folder = Path(package.__file__).parent / "dnsmos_models"
    paths = [folder / "sig_bak_ovr.onnx", folder / "model_v8.onnx"]
    predictor = package.DNSMOS(*map(str, paths))
    predictor.onnx_sess, predictor.p808_onnx_sess = map(_session, paths)
    return predictor


@functools.cache
def _plcmos():
    from speechmos import plcmos as package

    predictor = package.PLCMOS()
    predictor.session = _session(Path(predictor.model_path))
    return predictor


def dnsmos(recording: Recording) -> dict[str, float]:
    """DNSMOS P.835 overall and P.808 (Reddy et al. 2022, arXiv:2110.01763): predicted MOS."""
    scores = _dnsmos()(_samples(recording, "DNSMOS"), WIDEBAND, False)
    return {
        name: measured(scores[key], "DNSMOS")
        for name, key in (("dnsmos_ovrl", "ovrl_mos"), ("dnsmos_p808", "p808_mos"))
    }


def plcmos(recording: Recording) -> dict[str, float]:
    """PLCMOS v2 (Diener et al. 2023, arXiv:2305.15127): predicted MOS, trained on gaps and artefacts.

    It averages 15 imagined raters, drawn by NumPy's global generator; here they are the same for every recording,
    and the caller's generator stays as it was.
    """
    samples = _samples(recording, "PLCMOS")
    with _DRAWS:
        kept = np.random.get_state()
        try:
            np.random.seed(0)
            return {"plcmos": measured(_plcmos()(samples)["plcmos"], "PLCMOS")}
        finally:
            np.random.set_state(kept)
