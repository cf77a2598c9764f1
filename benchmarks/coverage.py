"""Variance of the bundled training voices in their principal components, compared with human voices.

Speaker embeddings, standardised as inside the vocoder, around the mean of their own group. The reference is as many
human speakers as there are training voices: the components of both, from one recording of each voice, are compared on
the human speakers that are left. Needs THESIS_HUMAN; the corpus is the demo's.
"""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.human import human_recordings
from benchmarks.json_rows import interval_columns
from thesis_lib.audio.files import read_audio
from thesis_lib.config import Config
from thesis_lib.corpus.split import spread
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
    """One row for each group and number of components: the share of variance in the training voices' first ones.

    "reference" has, for each number of components, what ``beside_reference`` returns.
    """
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
    directions = components((training - mean) / std)
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
    first = np.unique(voices["train"], return_index=True)[1]
    count = len(human) // 2 if quick else len(first)  # of the human speakers that the components are fitted on
    if len(human) <= count + 1:
        raise SystemExit(f"{len(human)} human speakers; the reference needs more than {count + 1}: name another folder")
    fitted, tested = spread_and_others((human - mean) / std, count)
    by_voices, by_humans = (components(own) for own in (((training - mean) / std)[first], fitted))
    return {
        "dimensions": dim,
        "chance": {str(count): count / dim for count in COMPONENTS},
        "rows": rows,
        "reference": [beside_reference(tested, by_voices, by_humans, count) for count in COMPONENTS],
    }


def spread_and_others(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """``count`` of the vectors (n, D), spread over them, and the others."""
    chosen = np.zeros(len(vectors), bool)
    chosen[spread(len(vectors), count)] = True
    return vectors[chosen], vectors[~chosen]


def components(vectors: np.ndarray) -> np.ndarray:
    """(n, D) -> (D, D) orthonormal rows: the principal components, then directions without variance."""
    return np.linalg.svd(vectors - vectors.mean(0))[2]


def beside_reference(tested: np.ndarray, by_voices: np.ndarray, by_humans: np.ndarray, count: int) -> dict[str, Any]:
    """The share of the variance of ``tested`` (n, D) in the first ``count`` training voices' and human components.

    "difference": the first minus the second, of the same human speakers. The intervals are over them, for these
    components: neither the training voices nor the fitted humans are drawn.
    """
    voices, humans = (share_of_variance(tested @ given.T, count) for given in (by_voices, by_humans))
    both = {"by training voices": voices, "by human speakers": humans}
    return {
        "components": count,
        "n": len(tested),
        **{name: interval_columns(len(tested), statistic, RESAMPLES) for name, statistic in both.items()},
        **interval_columns(len(tested), lambda rows: voices(rows) - humans(rows), RESAMPLES, name="difference"),
    }


def share_of_variance(scores: np.ndarray, count: int) -> Bounded:
    """The share of the variance of scores (n, components) around their mean that lies in the first ``count``."""

    def statistic(chosen: np.ndarray) -> float:
        variance = scores[chosen].var(0)
        return float(variance[:count].sum() / variance.sum())

    return Bounded(statistic, 0.0, 1.0)
