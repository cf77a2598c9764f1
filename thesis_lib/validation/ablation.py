"""Ablation: the contribution of each loss, with one setting changed at a time and several seeds.

Every cell of the grid is a run folder below RUN/ablation, on the same corpus and embeddings; it resumes like any
other run. The ablation trains its own cells.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thesis_lib.config import Config, ConfigError, LossConfig, Recipe, digest
from thesis_lib.runs.commands import ABLATION
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import TrainingError, train
from thesis_lib.training.schedule import demand_losses
from thesis_lib.utils.files import fingerprint
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import (
    ALIGNED,
    OURS,
    PREDICTED,
    Measurements,
    Roles,
    Scorers,
    correct_hypotheses,
    demand_metric,
    measure,
    metrics,
    select,
    single,
    vocoder_system,
)
from thesis_lib.validation.summary import FEW_SPEAKERS, NOT_MEASURED
from thesis_lib.validation.validate import SCHEMA

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
# Trainings of each variant that a test needs. Of fewer, the normality that Student's t assumes cannot be checked.
MIN_TESTED_SEEDS = 6
COLUMNS = ["variant", "metric", "value", "difference", "low", "high", "p", "p_holm", "significant"]
COUNTS = ["seeds", "n", "speakers"]
SHARED_FOLDERS = ("corpus", "embeddings", "analyses")  # of the run, linked into each cell


def ablate(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Train and evaluate the grid; the table of differences from the full recipe, a row a variant and metric.

    Columns: variant, metric, value (the variant's mean of speakers' means), difference from "full recipe" with the
    95 % interval that draws seeds and speakers, p of the configured hypotheses (Student's t over the seeds, at least
    six; corrected by Holm), significant at 5 %, role of the metric's encoder, seeds, n. Variants that change nothing
    are in ``ablation_not_measured``. Interrupted, it resumes. Raises ConfigError for a hypothesis with an unknown
    variant or metric.
    """
    if run.has("ablation"):
        return run.load_table("ablation")
    variants, missing = _possible(run.config)
    scorers = Scorers.load(_base(run.config))
    _demand_hypotheses(run.config, scorers)
    embedded(run, progress)
    (run.path / "analyses").mkdir(exist_ok=True)
    seeds = range(run.config.ablation.seeds)
    work = [(variant, seed) for seed in seeds for variant in variants]
    cells: dict[tuple[str, int], Measurements] = {}
    trained: list[Path] = []
    known, names = Roles({}), {}
    for variant, seed in progress(work, len(work), "ablation"):
        cell = _cell(run, variant, seed)
        vocoder = train(cell, run.config.ablation.task)
        shutil.rmtree(cell.path / run.config.ablation.task / "checkpoints", ignore_errors=True)
        system = vocoder_system(OURS[run.config.ablation.task], vocoder)
        chosen = select(prepared(cell).split("validation"), run.config.ablation.utterances)
        weights = cell.path / run.config.ablation.task / "vocoder" / "model.safetensors"
        key = digest([SCHEMA, fingerprint(weights), scorers.revisions, list(scorers.chosen)])
        home = cell.path / "validation" / key  # another vocoder or scorer is measured again
        cells[variant, seed] = measure(cell, chosen, {system.name: system}, scorers, home)
        known |= Roles.of(cell.config, {run.config.ablation.task: vocoder})
        names = {column: encoder.name for column, encoder in scorers.encoders.items()}
        trained.append(weights)
    table, unmeasured = differences(cells, list(variants), len(seeds), run.config)
    missing += unmeasured
    table["role"] = [known.of_metric(metric, names) for metric in table.metric]
    run.save_table("ablation_not_measured", pd.DataFrame(missing, columns=["variant", "reason"]))
    run.save_table("ablation", table, run.provenance(trained, scorers.revisions))
    return table


def differences(
    cells: dict[tuple[str, int], Measurements], variants: list[str], seeds: int, config: Config
) -> tuple[pd.DataFrame, list[dict]]:
    """Each variant minus the full recipe, paired by seed and utterance; and what was not measured."""
    measurements = next(iter(cells.values()))
    names = [*(name for name in (*ALIGNED, *PREDICTED) if name in measurements.table), *measurements.encoders]
    (system,) = measurements.systems
    rows, missing = [], []
    few: dict[tuple[str, str], str] = {}
    for metric in names:
        values = {v: np.stack([single(cells[v, s], system, metric) for s in range(seeds)]) for v in variants}
        for variant in variants:
            difference = values[variant] - values[FULL]
            both = np.isfinite(difference).all(0)
            speakers = measurements.speakers[both]
            if (count := len(set(speakers))) < 2:
                few[variant, metric] = FEW_SPEAKERS if count else NOT_MEASURED
                missing.append({"variant": variant, "reason": f"{metric} was {few[variant, metric]}"})
                continue
            value = np.mean(_means_of_seeds(values[variant][:, both], speakers))
            row = {"variant": variant, "metric": metric, "value": float(value)}
            rows.append(row | _difference(difference[:, both], speakers, config))
    table = pd.DataFrame(rows, columns=[*COLUMNS, *COUNTS])
    return table, missing + _test(table, few, seeds, config)


def _test(table: pd.DataFrame, few: dict[tuple[str, str], str], seeds: int, config: Config) -> list[dict]:
    """Test the hypotheses alone; the reason for each that is not tested, by (variant, metric) in ``few``."""
    named, found = config.ablation.hypotheses, list(zip(table.variant, table.metric, strict=True))
    correct_hypotheses(table, np.array([row in named for row in found], bool))
    if seeds < MIN_TESTED_SEEDS:
        return [{"variant": variant, "reason": f"{metric}: {seeds} seeds: no test"} for variant, metric in named]
    return [
        {"variant": variant, "reason": f"{metric}: a hypothesis, but {few.get((variant, metric), NOT_MEASURED)}"}
        for variant, metric in named
        if (variant, metric) not in found
    ]


def _demand_hypotheses(config: Config, scorers: Scorers) -> None:
    """ConfigError for a hypothesis with a variant or a metric that does not exist."""
    for variant, metric in config.ablation.hypotheses:
        if variant not in VARIANTS or variant == FULL:
            known = ", ".join(repr(name) for name in VARIANTS if name != FULL)
            raise ConfigError(f"ablation.hypotheses: no variant named {variant!r}; known: {known}")
        demand_metric("ablation.hypotheses", metric, scorers)


def _means_of_seeds(values: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """(seeds, n), (n,) -> (seeds,): each training's mean of speakers' means."""
    return np.mean([values[:, members].mean(1) for members in metrics.members_of(speakers)], axis=0)


def _difference(difference: np.ndarray, speakers: np.ndarray, config: Config) -> dict[str, float]:
    """(seeds, n), (n,) -> mean, interval over seeds and speakers, p (Student's t of the seeds' means; else NaN).

    Each speaker counts the same. The random effects of a training are common to all of its utterances, so that the
    seeds alone are independent.
    """
    from scipy.stats import ttest_1samp

    settings = config.validation
    value, low, high = metrics.crossed_bootstrap(difference, settings.resamples, settings.seed, speakers)
    means = _means_of_seeds(difference, speakers)
    p = np.nan
    if len(difference) >= MIN_TESTED_SEEDS:
        p = float(ttest_1samp(means, 0.0).pvalue) if means.any() else 1.0
    counts = {"seeds": len(difference), "n": difference.shape[1], "speakers": len(set(speakers))}
    return {"difference": value, "low": low, "high": high, "p": p} | counts


def _possible(config: Config) -> tuple[dict[str, dict], list[dict]]:
    """The variants that differ from the full recipe at this configuration, and the reason for each other one."""
    base, possible, missing = _base(config), {}, []
    for variant, changes in VARIANTS.items():
        changed = base.override({f"{config.ablation.task}.{key}": value for key, value in changes.items()})
        idle = changed == base or _idle(changes, base.recipe(config.ablation.task).losses)
        lossless = _lossless(changed.recipe(config.ablation.task))
        if variant == FULL or not (idle or lossless):
            possible[variant] = changes
        elif lossless:
            missing.append({"variant": variant, "reason": lossless})
        else:
            settings = ", ".join(f"{config.ablation.task}.{key} = {value}" for key, value in changes.items())
            missing.append({"variant": variant, "reason": f"{settings} changes nothing in this recipe"})
    return possible, missing


def _lossless(recipe: Recipe) -> str:
    """The reason why some steps of a training would have no loss; empty where every step has one."""
    weights = recipe.losses.model_dump()
    active = [name for name, weight in weights.items() if isinstance(weight, int | float) and weight > 0]
    try:
        demand_losses(active, recipe.training)
    except TrainingError as error:
        return str(error)
    return ""


def _idle(changes: dict[str, Any], losses: LossConfig) -> bool:
    """Whether only the distance of the encoder losses changes and there is no encoder loss."""
    by_encoders = losses.speaker + losses.emotion + losses.sampled_speaker
    return set(changes) == {"losses.embedding_distance"} and not by_encoders


def _base(config: Config) -> Config:
    """The recipe at the ablation's budget, which is in steps and not in minutes."""
    task, settings = config.ablation.task, config.ablation
    changes: dict[str, Any] = {f"{task}.training.max_minutes": None, f"{task}.training.keep": 1}
    changes["validation.metrics"] = settings.metrics
    if settings.warm_start is not None:
        changes[f"{task}.training.warm_start"] = settings.warm_start
    if settings.steps is not None:
        changes[f"{task}.training.steps"] = settings.steps
    if settings.late is not None:
        steps = config.recipe(task).training.steps if settings.steps is None else settings.steps
        changes |= {
            f"{task}.training.{phase}": steps - settings.late for phase in ("adversarial_from", "auxiliary_from")
        }
    changes |= {f"{task}.losses.{name}": weight for name, weight in settings.losses.items()}
    return config.override(changes)


def _cell(run: Run, variant: str, seed: int) -> Run:
    """The run folder of one variant and seed, sharing the run's corpus and embeddings."""
    task = run.config.ablation.task
    changes = {f"{task}.{key}": value for key, value in VARIANTS[variant].items()} | {f"{task}.training.seed": seed}
    path = run.path / ABLATION / f"{variant.replace(' ', '-').lower()}-{seed}"
    cell = Run(path, _base(run.config).override(changes))
    for name in SHARED_FOLDERS:
        link = cell.path / name
        if not link.exists():
            link.symlink_to(os.path.relpath(run.path / name, cell.path), target_is_directory=True)
    return cell
