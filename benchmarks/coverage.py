"""Variance of the bundled training voices in their principal components, compared with human voices.

Speaker embeddings, standardised as inside the vocoder, around the mean of their own group. Needs THESIS_HUMAN; the
corpus is the demo's.
"""

from pathlib import Path

import numpy as np

from benchmarks.human import human_recordings
from benchmarks.json_rows import interval_columns
from thesis_lib.audio.files import read_audio
from thesis_lib.config import Config
from thesis_lib.embeddings.encoders import embed, speaker_encoder
from thesis_lib.reporting import bar
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.utils.parallel import map_on_cores
from thesis_lib.validation.metrics import Bounded

COMPONENTS = (8, 16, 32)
RESAMPLES = 2000


def run(quick: bool) -> dict:
    """One row for each group and number of components: the share of variance in the training voices' first ones."""
    demo = Run(Path("runs/demo"), Config.from_profile("demo"))
    manifest = prepared(demo, bar)
    embeddings = embedded(demo, bar, sides=("source",))
    vectors, voices = {}, {}
    for split in ("train", "test"):
        chosen = manifest.split(split)
        vectors[split] = embeddings.speaker["source"][embeddings.rows(chosen)]
        voices[split] = np.array([utterance.speaker for utterance in chosen])
    encoder = speaker_encoder(Config().encoders)
    paths = [own[0] for own in human_recordings().values()][: 12 if quick else None]  # one of a speaker
    human = np.stack(list(map_on_cores(lambda path: embed(encoder, *read_audio(path), path), paths)))
    training = vectors["train"]
    groups = {
        "training": (training, voices["train"]),
        "bundled test voices": (vectors["test"], voices["test"]),
        "human": (human, np.arange(len(human))),
    }
    mean, std = training.mean(0), training.std(0)
    directions = np.linalg.svd((training - mean) / std)[2]  # of the whole space
    rows = []
    for group, (own, speakers) in groups.items():
        scores = ((own - mean) / std) @ directions.T
        for count in COMPONENTS:
            found = interval_columns(len(scores), share_of_variance(scores, count), RESAMPLES, [speakers])
            rows.append(
                {
                    "group": group,
                    "components": count,
                    "n": len(scores),
                    "speakers": len(set(speakers.tolist())),
                    **found,
                }
            )
    dim = training.shape[1]
    return {"dimensions": dim, "chance": {str(count): count / dim for count in COMPONENTS}, "rows": rows}


def share_of_variance(scores: np.ndarray, count: int) -> Bounded:
    """The share of the variance of scores (n, components) around their mean that lies in the first ``count``."""

    def statistic(chosen: np.ndarray) -> float:
        variance = scores[chosen].var(0)
        return float(variance[:count].sum() / variance.sum())

    return Bounded(statistic, 0.0, 1.0)
