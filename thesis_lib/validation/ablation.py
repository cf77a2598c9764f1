"""Ablation: the contribution of each loss, with one setting changed at a time and several seeds.

Every cell of the grid is a run folder below RUN/ablation, on the same corpus and embeddings; it resumes like any
other run. The ablation trains its own cells.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thesis_lib.config import Config, ConfigError, digest
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run, corpus_files
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.utils.files import fingerprint
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import (
    ALIGNED,
    OURS,
    PREDICTED,
    Measurements,
    Roles,
    Scorers,
    measure,
    require_metric,
    select,
    single,
    vocoder_system,
)
from thesis_lib.validation.cells import at_budget, cell_of, check_device, possible, trained
from thesis_lib.validation.released import ablate_released
from thesis_lib.validation.seeds import Cells, compare_seeds
from thesis_lib.validation.validate import MEASURED_WITH

FULL = "full recipe"
# Row of the table -> the settings of the recipe that are changed.
VARIANTS: dict[str, dict[str, Any]] = {
    FULL: {},
    "no speaker consistency": {"losses.speaker": 0.0},
    "no emotion preservation": {"losses.emotion": 0.0},
    "no temporal consistency": {"losses.temporal": 0.0},
    "no content consistency": {"losses.content": 0.0},
    "no speaker sampling": {"losses.sampled_speaker": 0.0},
    "no feature matching": {"losses.feature_matching": 0.0},
    "no adversarial loss": {"losses.adversarial": 0.0, "losses.feature_matching": 0.0},
    "no mel loss": {"losses.mel": 0.0, "losses.multi_scale_mel": 0.0},
    "MSE for cosine": {"losses.embedding_distance": "mse"},
    "no condition dropout": {"generator.condition_dropout": 0.0},
}


def ablate(run: Run, progress: Progress = silent, device: str = "auto") -> pd.DataFrame:
    """Train and evaluate the grid; the table of differences from the full recipe, a row for each variant and metric.

    Columns: variant, metric, value (the variant's mean of speakers' means), difference from "full recipe" with the
    95 % interval that draws seeds and speakers, p of the configured hypotheses (Student's t over the seeds, at least
    six; corrected by Holm), significant at 5 %, role of the metric's encoder, seeds, n. Variants that change nothing
    are in ``ablation_not_measured``. Trains on ``device``: "auto", "cpu" or "cuda". Interrupted, it resumes. The grid
    "released" is that of ``ablate_released``. Raises ConfigError for a hypothesis with an unknown variant or metric,
    and TrainingError, before the stages, where the grid cannot be trained on ``device``.
    """
    if run.config.ablation.grid == "released":
        return ablate_released(run, progress, device)
    if run.has("ablation"):
        return run.load_table("ablation")
    task, base = run.config.ablation.task, at_budget(run.config)
    check_device(base, device)
    variants, missing = possible(base, _variants(task), FULL)
    scorers = Scorers.load(base)
    _require_hypotheses(run.config, scorers)
    embedded(run, progress)
    (run.path / "analyses").mkdir(exist_ok=True)
    sources = corpus_files(run.path)
    measured_on = [fingerprint(path) for path in sources]
    seeds = range(run.config.ablation.seeds)
    work = [(variant, seed) for seed in seeds for variant in variants]
    cells: dict[tuple[str, int], Measurements] = {}
    weights: list[Path] = []
    known, names = Roles({}), {}
    for variant, seed in progress(work, len(work), "ablation"):
        cell = cell_of(run, run.path, base, variant, variants[variant], seed)
        vocoder = trained(cell, device)
        system = vocoder_system(OURS[task], vocoder)
        chosen = select(load_manifest(cell).split("validation"), run.config.ablation.utterances)
        weights.append(cell.path / task / "vocoder" / "model.safetensors")
        key = digest([MEASURED_WITH, measured_on, fingerprint(weights[-1]), scorers.revisions, list(scorers.chosen)])
        home = cell.path / "validation" / key  # another corpus, vocoder or scorer is measured again
        cells[variant, seed] = measure(cell, chosen, {system.name: system}, scorers, home)
        known |= Roles.of(cell.config, {task: vocoder})
        names = {column: encoder.name for column, encoder in scorers.columns.items()}
    table, unmeasured = differences_from_full(cells, list(variants), len(seeds), run.config)
    missing += unmeasured
    table["role"] = [known.of_metric(metric, names) for metric in table.metric]
    provenance = run.provenance([*sources, *weights], scorers.revisions)
    run.save_table("ablation_not_measured", pd.DataFrame(missing, columns=["variant", "reason"]), provenance)
    run.save_table("ablation", table, provenance)
    return table


def differences_from_full(
    cells: dict[tuple[str, int], Measurements], variants: list[str], seeds: int, config: Config
) -> tuple[pd.DataFrame, list[dict]]:
    """Each variant minus the full recipe, paired by seed and utterance; and what was not measured."""
    measurements = next(iter(cells.values()))
    names = [*(name for name in (*ALIGNED, *PREDICTED) if name in measurements.table), *measurements.encoders]
    (system,) = measurements.systems
    values = [
        Cells(metric, {v: np.stack([single(cells[v, s], system, metric) for s in range(seeds)]) for v in variants})
        for metric in names
    ]
    return compare_seeds(values, dict.fromkeys(variants, FULL), measurements.speakers, config)


def _require_hypotheses(config: Config, scorers: Scorers) -> None:
    """ConfigError for a hypothesis with a variant or a metric that does not exist."""
    for variant, metric in config.ablation.hypotheses:
        if variant not in VARIANTS or variant == FULL:
            known = ", ".join(repr(name) for name in VARIANTS if name != FULL)
            raise ConfigError(f"ablation.hypotheses: no variant named {variant!r}; known: {known}")
        require_metric("ablation.hypotheses", metric, scorers)


def _variants(task: str) -> dict[str, dict[str, Any]]:
    """``VARIANTS`` with the whole keys of the settings."""
    return {name: {f"{task}.{key}": value for key, value in changes.items()} for name, changes in VARIANTS.items()}
