"""Distance of vocoders' outputs to the recordings of bundled test voices, which are held out; for two studies."""

import tempfile
from pathlib import Path

import numpy as np

from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.utils.progress import bar
from thesis_lib.validation import GROUND_TRUTH, Scorers, System, select
from thesis_lib.validation.metrics import cosine
from thesis_lib.validation.validate import measure


def nearness(
    corpus: Run, count: int, systems: dict[str, System], metrics: tuple[str, ...]
) -> dict[str, dict[str, np.ndarray]]:
    """system -> metric -> (count,), a value an utterance; under an encoder's name, the cosine with the recording."""
    scorers = Scorers.load(
        corpus.config.override({"validation.metrics": metrics, "encoders.evaluation": ("resemblyzer",)})
    )
    chosen = select(load_manifest(corpus).split("test"), count)
    everything = {GROUND_TRUTH: System(GROUND_TRUTH, lambda item: item.wav)} | systems
    with tempfile.TemporaryDirectory() as home:
        measurements = measure(corpus, chosen, everything, scorers, Path(home), bar)
    columns, found = measurements.table.select_dtypes("number").columns, {}
    for name in systems:
        found[name] = {column: measurements.values(name, column) for column in columns}
        for column, encoder in scorers.encoders.items():
            both = zip(measurements.vectors(name, column), measurements.vectors(GROUND_TRUTH, column), strict=True)
            found[name][encoder.name] = np.array([cosine(output, own) for output, own in both])
    return found
