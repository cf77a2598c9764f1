"""The vocoders of ``benchmarks.compress``: V1 as published and pruned, and those that are trained on one core."""

from pathlib import Path

import torch

from thesis_lib.compression import prune
from thesis_lib.config import Config
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.utils.progress import bar
from thesis_lib.vocoder.synthesis import UNIVERSAL, Vocoder

FOLDER = Path("runs/compress")
SCRATCH = {
    "resynthesis.losses.mel": 45.0,
    "resynthesis.losses.stft": 5.0,
    "resynthesis.losses.adversarial": 0.0,
    "resynthesis.losses.feature_matching": 0.0,
    "resynthesis.training.warm_start": "none",
    "resynthesis.training.steps": 1_000_000,
    "resynthesis.training.batch_size": 8,
    "resynthesis.training.learning_rate": 2e-3,
    "resynthesis.training.schedule": "constant",
    "resynthesis.training.ema_decay": 0.995,
    "resynthesis.training.checkpoint_every": 500,
}
DISTILLED = {"resynthesis.training.teacher": UNIVERSAL}
V1, V2, PRUNED = "HiFi-GAN V1", "HiFi-GAN V2", "V1 pruned"
STUDENT, WITHOUT_TEACHER = "istft, distilled", "istft"
TRAINED = {
    V2: {"resynthesis.generator": "v2", "resynthesis.training.learning_rate": 1e-3},
    WITHOUT_TEACHER: {"resynthesis.generator": "istft"},
    STUDENT: {"resynthesis.generator": "istft"} | DISTILLED,
    "istft-live, distilled": {"resynthesis.generator": "istft-live"} | DISTILLED,
    "istft-small, distilled": {"resynthesis.generator": "istft-small"} | DISTILLED,
}
KEPT = 0.5  # share of V1's inner channels that pruning leaves


def trained_vocoders(minutes: float) -> tuple[Run, dict[str, Vocoder]]:
    """The corpus, and name -> vocoder: V1 as published, and others trained for as many minutes."""
    config = Config.from_profile("demo").override({"encoders.emotion": "egemaps"})
    corpus = Run(FOLDER / "corpus", config)
    prepared(corpus, bar), embedded(corpus, bar)
    (corpus.path / "distilled").mkdir(exist_ok=True)
    found = {V1: Vocoder.from_pretrained(UNIVERSAL)}
    small = prune(found[V1], KEPT)
    small.save_pretrained(FOLDER / "pruned")
    goes_on = {
        "resynthesis.generator": small.meta["generator"],
        "resynthesis.training.warm_start": str(FOLDER / "pruned"),
        "resynthesis.training.learning_rate": 2e-5,
        "resynthesis.training.checkpoint_every": 50,
    }
    for name, changes in (TRAINED | {f"{PRUNED}, trained on": goes_on | DISTILLED}).items():
        found[name] = _train(corpus, name, SCRATCH | changes, minutes)
    return corpus, found | {PRUNED: small}


def _train(corpus: Run, name: str, changes: dict, minutes: float) -> Vocoder:
    folder = FOLDER / f"{file_name(name)}-{minutes:g}"
    run = Run(folder, corpus.config.override(changes | {"resynthesis.training.max_minutes": minutes}))
    for part in ("corpus", "embeddings", "distilled"):
        if not (run.path / part).exists():
            (run.path / part).symlink_to((corpus.path / part).resolve())
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return train(run, "resynthesis", bar)
    finally:
        torch.set_num_threads(before)


def file_name(name: str) -> str:
    """A variant's name without commas and blanks."""
    return name.replace(", ", "_").replace(" ", "-")
