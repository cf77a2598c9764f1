"""Quality against training time: three systems on the same recordings, for the same minutes of one core.

HiFi-GAN V1 from HiFi-GAN universal's weights, the same from random ones, and the inverse-STFT generator from random
ones, each by spectral losses alone: a step with V1's discriminators takes a core ten times as long. A training resumes
from mark to mark; vocoders in runs/budget are not trained again. Scores are of bundled test voices, which are held
out.
"""

import itertools
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.compress_training import SCRATCH
from benchmarks.json_rows import interval_columns
from benchmarks.nearness import nearness
from thesis_lib.config import Config
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.utils.progress import bar
from thesis_lib.validation import metrics, vocoder_system
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.synthesis import UNIVERSAL, Vocoder

FOLDER = Path("runs/budget")
MINUTES = (1, 2, 5, 10)  # of one core
SEEDS = 3
UTTERANCES = 8
RESAMPLES = 2000
METRICS = ("mel_l1", "mcd", "pesq", "dnsmos", "evaluation")
SHOWN = ("mel_l1", "mcd", "pesq", "dnsmos_ovrl", "resemblyzer")
WARM, COLD, ISTFT = "HiFi-GAN V1, published start", "HiFi-GAN V1, random start", "istft, random start"
START = "published weights, untrained"
SYSTEMS = {
    # Faster, the published weights are lost before they are improved (the demo's profile has the numbers). Few steps
    # have no use for an average over hundreds.
    WARM: {
        "training.warm_start": UNIVERSAL,
        "training.learning_rate": 1e-5,
        "training.batch_size": 4,
        "training.ema_decay": 0.0,
        "training.checkpoint_every": 20,
    },
    COLD: {
        "training.learning_rate": 1e-3,
        "training.batch_size": 4,
        "training.ema_decay": 0.95,
        "training.checkpoint_every": 50,
    },
    ISTFT: {"generator": "istft"},
}


def run(quick: bool) -> dict:
    """A row for each system, mark and metric, with the interval that draws seeds and utterances."""
    marks, seeds, count = ((0.05, 0.1), 1, 2) if quick else (MINUTES, SEEDS, UTTERANCES)
    corpus = _corpus()
    prepared(corpus, bar), embedded(corpus, bar)
    wanted = [(system, seed, marks) for seed in range(seeds) for system in SYSTEMS]
    found = _trained_all(wanted)
    paths = {(system, seed): made for (system, seed, _), made in zip(wanted, found, strict=True)}
    vocoders = {path: Vocoder.from_pretrained(path) for path in (UNIVERSAL, *(p for made in found for p in made))}
    systems = {path: vocoder_system(path, vocoder) for path, vocoder in vocoders.items()}
    scored, missing = nearness(corpus, count, systems, METRICS)
    rows = [
        {"system": START, "minutes": 0.0, "metric": metric, **interval_of_mean(scored[UNIVERSAL][metric][None])}
        for metric in SHOWN
    ]
    for system, metric, (i, mark) in itertools.product(SYSTEMS, SHOWN, enumerate(marks)):
        values = np.stack([scored[paths[system, seed][i]][metric] for seed in range(seeds)])
        rows.append({"system": system, "minutes": mark, "metric": metric, **interval_of_mean(values)})
    steps = {system: [vocoders[path].meta["steps"] for path in paths[system, 0]] for system in SYSTEMS}
    return {
        "seeds": seeds,
        "utterances": len(scored[UNIVERSAL][SHOWN[0]]),
        "minutes of one core": marks,
        "steps": steps,
        "rows": rows,
        "not measured": missing,
    }


def _corpus() -> Run:
    """The run that holds the corpus and embeddings of all trainings."""
    return Run(FOLDER / "corpus", Config.from_profile("demo").override({"encoders.emotion": "egemaps"}))


def _trained(system: str, seed: int, marks: tuple[float, ...]) -> list[str]:
    """The folders of one training's vocoders, a mark each."""
    before, found = None, []
    for mark in marks:
        changes = {f"resynthesis.{key}": value for key, value in SYSTEMS[system].items()}
        budget = {"resynthesis.training.max_minutes": mark, "resynthesis.training.seed": seed}
        config = _corpus().config.override(SCRATCH | changes | budget)
        run = Run(FOLDER / f"{system.replace(', ', '_').replace(' ', '-')}-{seed}" / f"{mark:g}", config)
        for part in ("corpus", "embeddings"):
            if not (run.path / part).exists():
                (run.path / part).symlink_to((FOLDER / "corpus" / part).resolve())
        home = run.path / "resynthesis"
        if before and not (home / "checkpoints").exists():
            # Resume the training of the previous mark.
            last = checkpoints.latest(before / "checkpoints")
            shutil.copytree(last, home / ".copy")
            (home / "checkpoints").mkdir()
            (home / ".copy").rename(home / "checkpoints" / last.name)
            shutil.copy(before / "metrics.jsonl", home)
        train(run, "resynthesis")
        found.append(str(home / "vocoder"))
        before = home
    return found


def interval_of_mean(values: np.ndarray) -> dict[str, Any]:
    """(seeds, utterances) -> mean and the 95 % interval that draws both; a side with one member is not drawn."""
    sides = [side.ravel() for side in np.indices(values.shape)]
    drawn = [side for side, count in zip(sides, values.shape, strict=True) if count > 1] or sides
    return interval_columns(values.size, metrics.mean_of(values.ravel()), RESAMPLES, drawn)


def _trained_all(wanted: list[tuple]) -> list[list[str]]:
    """The results of ``_trained`` in the order of ``wanted``, each in a process with one core."""
    context = multiprocessing.get_context("spawn")
    cores = context.Queue()
    for core in os.sched_getaffinity(0):
        cores.put(core)
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), context, _pin, (cores,)) as pool:
        return list(bar(pool.map(_trained, *zip(*wanted, strict=True)), len(wanted), "train"))


def _pin(cores) -> None:
    os.sched_setaffinity(0, {cores.get()})
    torch.set_num_threads(1)
