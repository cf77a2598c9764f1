"""Distance of vocoders' outputs to the recordings of bundled test voices, which are held out; for two studies."""

import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from thesis_lib.embeddings.encoders import Encoder
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.utils.progress import bar
from thesis_lib.validation import GROUND_TRUTH, Scorers, System, select
from thesis_lib.validation.evaluation import Columns
from thesis_lib.validation.measurements import Measurements
from thesis_lib.validation.metrics import cosine
from thesis_lib.validation.validate import measure


def nearness(
    corpus: Run, count: int, systems: dict[str, System], metrics: tuple[str, ...]
) -> tuple[dict[str, dict[str, np.ndarray]], list[Columns]]:
    """system -> metric -> (n,), a value for each utterance, and what could not be measured.

    Under an encoder's name is the cosine with the recording. The n utterances are those of ``count`` that every system
    was measured on.
    """
    scorers = Scorers.load(
        corpus.config.override({"validation.metrics": metrics, "encoders.evaluation": ("resemblyzer",)})
    )
    chosen = select(load_manifest(corpus).split("test"), count)
    everything = {GROUND_TRUTH: System(GROUND_TRUTH, lambda item: item.wav)} | systems
    with tempfile.TemporaryDirectory() as home:
        return values_of(measure(corpus, chosen, everything, scorers, Path(home), bar), list(systems), scorers.encoders)


def values_of(
    measurements: Measurements, systems: Sequence[str], encoders: Mapping[str, Encoder]
) -> tuple[dict[str, dict[str, np.ndarray]], list[Columns]]:
    """The result of ``nearness`` from measurements; ``encoders`` is column -> encoder.

    A metric that no utterance has gets no values.
    """
    left_out = {row["id"] for row in measurements.missing}
    complete = Measurements([one for one in measurements.measured if one.rows[0]["id"] not in left_out])
    columns, found = measurements.table.select_dtypes("number").columns, {}
    for name in systems:
        found[name] = defaultdict(lambda: np.empty(0), {column: complete.values(name, column) for column in columns})
        for column, encoder in encoders.items():
            both = zip(complete.vectors(name, column), complete.vectors(GROUND_TRUTH, column), strict=True)
            found[name][encoder.name] = np.array([cosine(output, own) for output, own in both])
    return found, measurements.missing
