"""Variance of the small weights' training voices in their principal components, compared with human voices.

Speaker embeddings, standardised as inside the vocoder, around the mean of their own group. Needs the corpus and the
embeddings of the profile "released", the demo's for the bundled test voices, and THESIS_HUMAN.
"""

from pathlib import Path

import numpy as np

from benchmarks.human import human_recordings
from thesis_lib.audio.files import read_audio
from thesis_lib.config import Config
from thesis_lib.embeddings.encoders import embed, speaker_encoder
from thesis_lib.reporting import bar
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.utils.parallel import map_on_cores

COMPONENTS = (8, 16, 32, 64)


def run(quick: bool) -> dict:
    """For each group: the variance that lies in the first principal components of the training voices."""
    recordings = human_recordings()
    vectors = {}
    for name, split in (("released", "train"), ("demo", "test")):
        source = Run(Path("runs") / name, Config.from_profile(name))
        embeddings = embedded(source, bar, sides=("source",))
        vectors[name] = embeddings.speaker["source"][embeddings.rows(prepared(source).split(split))]
    encoder = speaker_encoder(Config().encoders)
    paths = [own[0] for own in recordings.values()][: 12 if quick else None]  # one of a speaker
    human = np.stack(list(map_on_cores(lambda path: embed(encoder, *read_audio(path), path), paths)))
    training = vectors["released"]
    mean, std = training.mean(0), training.std(0)
    directions = np.linalg.svd((training - mean) / std, full_matrices=False)[2]
    rows = []
    for group, own in (("training", training), ("bundled test voices", vectors["demo"]), ("human", human)):
        scores = ((own - own.mean(0)) / std) @ directions.T
        shares = (scores**2).sum(0).cumsum() / (scores**2).sum()
        rows.append({"group": group, "n": len(own)} | {str(k): float(shares[k - 1]) for k in COMPONENTS})
    dim = training.shape[1]
    rows.append({"group": "chance", "n": 0} | {str(k): k / dim for k in COMPONENTS})
    return {"dimensions": dim, "components": COMPONENTS, "rows": rows}
