"""PLCMOS v2: predicted opinion, trained on gaps and artefacts (Diener et al. 2023, arXiv:2305.15127)."""

import functools
import threading
from pathlib import Path

import numpy as np

from thesis_lib.utils.onnx_graph import session
from thesis_lib.validation.metrics.errors import measured
from thesis_lib.validation.metrics.recording import Recording

_DRAWS = threading.Lock()  # NumPy's global generator is one for all threads


@functools.cache
def _predictor():
    from speechmos import plcmos as package

    predictor = package.PLCMOS()
    predictor.session = session(Path(predictor.model_path), 1)  # that of speechmos takes every core
    return predictor


def plcmos(recording: Recording) -> dict[str, float]:
    """Predicted MOS. MetricError for silence.

    It averages 15 simulated raters, drawn by NumPy's global generator; here they are the same for every recording,
    and the state of the generator is restored.
    """
    samples = recording.audible("PLCMOS")
    with _DRAWS:
        kept = np.random.get_state()
        try:
            np.random.seed(0)
            return {"plcmos": measured(_predictor()(samples)["plcmos"], "PLCMOS")}
        finally:
            np.random.set_state(kept)
