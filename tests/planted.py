"""Planted measurements: scores with a known answer, for the statistics of validation and ablation."""

import numpy as np

from thesis_lib.config import ValidationConfig
from thesis_lib.validation import (
    GROUND_TRUTH,
    INVERSION,
    OURS,
    Measured,
    Measurements,
    metrics,
)
from thesis_lib.validation.measurements import SOURCE

SETTINGS = ValidationConfig(resamples=100)


def measurements(speakers="aabbccddee", noise=0.1, seed=0) -> Measurements:
    """Planted: ours keeps the voice and is better than the inversion by 0.1 nepers in every utterance."""
    rng = np.random.default_rng(seed)
    centres = {name: rng.normal(size=8) for name in sorted(set(speakers))}
    measured = []
    for number, name in enumerate(speakers):
        rows = [
            {"system": GROUND_TRUTH},
            {"system": INVERSION, "mel_l1": 0.4 + 0.01 * number},
            {"system": OURS["conversion"], "mel_l1": 0.3 + 0.01 * number},
        ]
        about = {"id": str(number), "speaker_id": name, "style": "calm" if number % 2 else "lively"}
        about |= {"target_text": "one two three four", "recognised": "one two three four", "words": 4, "word_errors": 0}
        about |= {"characters": 18, "character_errors": 0}
        about |= {f"{who}_{p}": float(number) for who in ("source", "output") for p in metrics.PROSODY}
        keys = [SOURCE, *(row["system"] for row in rows)]
        vectors = {(key, c): centres[name] + noise * rng.normal(size=8) for key in keys for c in ("encoder", "other")}
        measured.append(Measured([about | row for row in rows], [], vectors))
    return Measurements(measured)


def cell(summary, system, metric):
    """The row of a system and a metric in a summary."""
    return summary.set_index(["system", "metric"]).loc[(system, metric)]
