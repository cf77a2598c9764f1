"""The grid of ``thesis ablate --profile released``: train and score every variant and seed, and compare.

Shapes: S seeds, n trials.

Every cell is a run folder below RUN/ablation and keeps the scores of its outputs, so that a grid that was killed goes
on with the next cell.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from thesis_lib.config import Config, ConfigError
from thesis_lib.runs.analyse import analysed
from thesis_lib.runs.commands import ABLATION
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run, corpus_files
from thesis_lib.utils.files import fingerprint
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation.cells import cell_of, check_device, possible, trained
from thesis_lib.validation.evaluation import Results
from thesis_lib.validation.released.recipe import CONTROLS, FULL, variants_of, with_human_speech
from thesis_lib.validation.released.scores import SCORED, SpeechTest, outside_of
from thesis_lib.validation.released.verdicts import verdicts
from thesis_lib.validation.roles import Roles
from thesis_lib.validation.seeds import Cells, compare_seeds, means_of_seeds
from thesis_lib.validation.swap import SwapSystem

DATA = "data"  # folder below RUN/ablation: the corpora together, their embeddings and analyses


def ablate_released(run: Run, progress: Progress = silent, device: str = "auto") -> pd.DataFrame:
    """Train and evaluate the grid; the table of differences, a row for each variant and metric.

    Columns: those of ``compare_seeds``, ``against`` (the variant that it is compared with) and the role of the metric's
    network in the vocoder. Also written: ``ablation_seeds`` (each training's mean), ``ablation_verdicts`` and
    ``ablation_not_measured``. Trains on ``device``: "auto", "cpu" or "cuda". Interrupted, it resumes.

    Raises RunError with the command that fetches a missing corpus, or for too few test speakers; ConfigError for a
    metric that this grid has not, and where a cell was begun with another recipe; TrainingError, before the stages,
    where it cannot be trained on ``device``.
    """
    outside = outside_of(run.config)
    if run.has("ablation", outside):
        return run.load_table("ablation")
    _require_metrics(run.config)
    base = with_human_speech(run.config)
    check_device(base, device)
    every = variants_of(base)
    variants, missing = possible(base, every, FULL)
    data = Run(run.path / ABLATION / DATA, base)
    embedded(data, progress, sides=("source",))
    analysed(data, "conversion", progress)
    test = SpeechTest(data, progress, outside)
    _require_hypotheses(run.config, [name for name in every if name != FULL], test.names)
    seeds = range(run.config.ablation.seeds)
    work = [(variant, seed) for seed in seeds for variant in variants]
    found: dict[tuple[str, int], Results] = {}
    inputs, known = corpus_files(data.path), Roles({})
    for variant, seed in progress(work, len(work), "ablation"):
        cell = cell_of(run, data.path, base, variant, variants[variant], seed)
        vocoder = trained(cell, device)
        weights = cell.path / "conversion" / "vocoder" / "model.safetensors"
        system = SwapSystem("conversion", variant, vocoder)
        found[variant, seed] = test.results(cell, system, fingerprint(weights))
        own = [path for path in corpus_files(cell.path) if not path.parent.is_symlink()]  # of another corpus or encoder
        inputs += [*own, weights]
        known |= Roles.of(cell.config, {"conversion": vocoder})
    controls = {variant: CONTROLS.get(variant, FULL) for variant in variants}
    controls = {variant: control if control in variants else FULL for variant, control in controls.items()}
    cells = _cells(found, list(variants), len(seeds), test)
    table, unmeasured = compare_seeds(cells, controls, test.speakers, base, test.contents)
    table.insert(2, "against", [controls[variant] for variant in table.variant])
    table["role"] = [known.of_network(metric.split(", ")[1]) if ", " in metric else "" for metric in table.metric]
    for (variant, seed), results in found.items():
        missing += [{"variant": variant, "reason": f"seed {seed}: {row['reason']}"} for row in results.missing]
    provenance = run.provenance(inputs, test.revisions, outside)
    left_out = pd.DataFrame(missing + unmeasured, columns=["variant", "reason"])
    run.save_table("ablation_not_measured", left_out, provenance)
    run.save_table("ablation_seeds", _by_seed(cells, test.speakers), provenance)
    run.save_table("ablation_verdicts", verdicts(table), provenance)
    run.save_table("ablation", table, provenance)
    return table


def _require_metrics(config: Config) -> None:
    for metric in config.ablation.metrics:
        if metric not in SCORED:
            raise ConfigError(f"ablation.grid=released has no metric {metric!r}; known: {', '.join(SCORED)}")


def _require_hypotheses(config: Config, variants: Sequence[str], names: Sequence[str]) -> None:
    """ConfigError for a hypothesis with a variant or a metric that does not exist."""
    for hypothesis in config.ablation.hypotheses:
        for kind, name, known in zip(("variant", "metric"), hypothesis, (variants, names), strict=True):
            if name not in known:
                listed = ", ".join(map(repr, known))
                raise ConfigError(f"ablation.hypotheses: no {kind} named {name!r}; known: {listed}")


def _cells(found: dict[tuple[str, int], Results], variants: list[str], seeds: int, test: SpeechTest) -> list[Cells]:
    """Each metric's values: variant -> (S, n), in the order of the trials; NaN where one was not measured."""
    place = {(trial.target.name, trial.content.name): number for number, trial in enumerate(test.trials.trials)}
    shape = (seeds, len(place))
    cells = [Cells(name, {variant: np.full(shape, np.nan) for variant in variants}) for name in test.names]
    for (variant, seed), results in found.items():
        for row in results.rows:
            for cell in cells:
                if cell.metric in row:
                    cell.values[variant][seed, place[row["target_speaker"], row["content"]]] = row[cell.metric]
    return cells


def _by_seed(cells: Sequence[Cells], speakers: np.ndarray) -> pd.DataFrame:
    """The mean of each training: variant, seed, metric, value (of speakers' means; NaN where a trial has none)."""
    rows = [
        {"variant": variant, "seed": seed, "metric": cell.metric, "value": value}
        for cell in cells
        for variant, values in cell.values.items()
        for seed, value in enumerate(means_of_seeds(values, speakers))
    ]
    return pd.DataFrame(rows)
