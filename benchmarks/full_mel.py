"""Use of the speaker embedding by three trainings: full mel, full mel with a speaker loss, content without the voice.

Each training starts from random weights, on the bundled corpus, with one seed. Generator, number of steps, batches and
reconstruction loss are the same; the content is the full mel, or phonetic features and F0, which lack the voice. In the
speaker swap every content speaker of the test split is rendered with the embedding of every target speaker, seen in
training or not.
"""

import shutil
from itertools import combinations
from pathlib import Path

import pandas as pd

from benchmarks.json_rows import interval_columns, records
from benchmarks.quality import CONVERSION, RESAMPLES, differences_of_systems
from thesis_lib.config import TASKS, Config, Task
from thesis_lib.reporting import bar, swap_rows
from thesis_lib.runs.analyse import analysed
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.training import train
from thesis_lib.validation.evaluation import Columns
from thesis_lib.validation.metrics import mean_of, normalised_similarity
from thesis_lib.validation.swap import SwapSystem, corpus_speakers, score_trials, summarise_swaps

STEPS, QUICK_STEPS = 1_000, 4
SPEAKER_LOSS = 10.0  # weight, where there is one
TRIALS = 64  # of each kind of target: all pairs of the speakers
FOLDER = Path("runs/full_mel")
VARIANTS: dict[str, tuple[Task, float]] = {
    "full mel": ("resynthesis", 0.0),
    "full mel, speaker loss": ("resynthesis", SPEAKER_LOSS),
    "content without the voice": ("conversion", 0.0),
}
RECIPE = {
    "generator": {"kind": "istft", "channels": 192, "condition_dim": 128, "speaker_projection": 128},
    "losses.adversarial": 0.0,
    "losses.feature_matching": 0.0,
    "losses.mel": 0.0,
    "losses.multi_scale_mel": 15.0,
    "losses.stft": 0.0,
    "losses.temporal": 0.0,
    "training.warm_start": "none",
    "training.auxiliary_from": 0,
    "training.batch_size": 8,
    "training.segment_frames": 64,
    "training.learning_rate": 5e-4,
    "training.schedule": "cosine",
    "training.max_minutes": None,
    "training.checkpoint_every": 500,
}


def run(quick: bool) -> dict:
    """Steps and minutes of each training, and one row for each variant, target kind, encoder and statistic.

    "margins" and "differences" have the rows of ``margins`` and ``differences_of_variants``.
    """
    steps, systems, trained = QUICK_STEPS if quick else STEPS, [], {}
    for earlier in FOLDER.glob(f"{steps}-*"):  # a training may be of another commit
        shutil.rmtree(earlier)
    first = prepared_run(FOLDER / f"{steps}-0", steps, 0.0)
    for name, (task, weight) in VARIANTS.items():
        own = prepared_run(FOLDER / f"{steps}-{weight:g}", steps, weight, first)
        analysed(own, task, bar)
        vocoder = train(own, task, bar)
        trained[name] = {"steps": vocoder.meta["steps"], "minutes": vocoder.meta["minutes"]}
        systems.append(SwapSystem(task, name, vocoder))
    results = score_trials(first, "bundled", corpus_speakers(first), systems, bar)
    voices = int(results.table.voices.max())
    summary = summarise_swaps(results.table, first.config.swap.seed)
    return {
        "steps": steps,
        "speaker loss": SPEAKER_LOSS,
        "voices": voices,
        "trained": trained,
        "rows": records(swap_rows(summary, voices)),
        "margins": margins(results.table),
        "differences": differences_of_variants(results.table),
        "not measured": results.missing,
    }


def margins(table: pd.DataFrame) -> list[Columns]:
    """A row for each target kind, encoder and variant: the cosine to the target minus that to the content's speaker.

    The mean over the outputs; the interval is over targets and contents.
    """
    rows = []
    for (target, encoder, variant), part in table.groupby(["target", "encoder", "stage"], sort=False):
        sides = [part[side].to_numpy() for side in CONVERSION]
        mean = mean_of((part.to_target - part.to_content).to_numpy())
        found = interval_columns(len(part), mean, RESAMPLES, sides, "margin") | {"n": len(part)}
        rows.append({"target": target, "encoder": encoder, "system": variant} | found)
    return rows


def differences_of_variants(table: pd.DataFrame) -> list[Columns]:
    """A row for each target kind, encoder, two variants and statistic: the later of ``VARIANTS`` minus the earlier.

    The differences are of the same pairs of content and target; the intervals are over targets and contents. "margin"
    is the cosine to the target minus that to the content's speaker.
    """
    scores = pd.DataFrame(
        {
            "normalised_similarity": normalised_similarity(table.to_target, table.floor, table.ceiling),
            "identified": table.identified == 1,
            "target_preference": table.to_target > table.to_content,
            "margin": table.to_target - table.to_content,
        }
    )
    rows = pd.concat([table[[*CONVERSION]], table.stage.rename("system"), scores], axis="columns")
    return [
        {"target": target, "encoder": encoder} | row
        for (target, encoder), part in rows.groupby([table.target, table.encoder], sort=False)
        for row in differences_of_systems(
            part.to_dict("records"), CONVERSION, [(later, earlier) for earlier, later in combinations(VARIANTS, 2)]
        )
    ]


def prepared_run(folder: Path, steps: int, speaker_loss: float, like: Run | None = None) -> Run:
    """A run of both tasks by ``RECIPE`` with its corpus and embeddings: computed, or copied from a run ``like`` it."""
    own = RECIPE | {"losses.speaker": speaker_loss, "training.steps": steps}
    changes = {f"{task}.{key}": value for task in TASKS for key, value in own.items()}
    config = Config.from_profile("demo").override(
        {"encoders.emotion": "whisper-emotion", "swap.trials": TRIALS} | changes
    )
    made = Run(folder, config)
    if like is not None and not (made.path / "corpus").exists():
        for part in ("corpus", "embeddings"):
            shutil.copytree(like.path / part, made.path / part)
    embedded(made, bar)
    return made
