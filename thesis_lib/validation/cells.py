"""The cells of an ablation: a run folder of its own for each variant and seed, which resumes like any other run."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from thesis_lib.config import Config, LossConfig, Recipe, Task
from thesis_lib.runs.commands import ABLATION
from thesis_lib.runs.folder import Run
from thesis_lib.training import TrainingError, fabric_of, train
from thesis_lib.training.schedule import require_losses
from thesis_lib.vocoder.synthesis import Vocoder

RecipeVariants = Mapping[str, dict[str, Any]]  # row of the table -> the settings that are changed


def at_budget(config: Config) -> Config:
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


def possible(base: Config, variants: RecipeVariants, full: str) -> tuple[dict[str, dict], list[dict]]:
    """The variants that differ from the recipe ``base``, that of ``full``, and the reason for each other one."""
    task, found, missing = base.ablation.task, {}, []
    for variant, changes in variants.items():
        changed = base.override(changes)
        idle = changed == base or _idle(changes, task, base.recipe(task).losses)
        lossless = _lossless(changed.recipe(task))
        if variant == full or not (idle or lossless):
            found[variant] = changes
        elif lossless:
            missing.append({"variant": variant, "reason": lossless})
        else:
            settings = ", ".join(f"{key} = {value}" for key, value in changes.items())
            missing.append({"variant": variant, "reason": f"{settings} changes nothing in this recipe"})
    return found, missing


def _lossless(recipe: Recipe) -> str:
    """The reason why some steps of a training would have no loss; empty where every step has one."""
    weights = recipe.losses.model_dump()
    active = [name for name, weight in weights.items() if isinstance(weight, int | float) and weight > 0]
    try:
        require_losses(active, recipe.training)
    except TrainingError as error:
        return str(error)
    return ""


def _idle(changes: dict[str, Any], task: Task, losses: LossConfig) -> bool:
    """Whether only the distance of the encoder losses changes and there is no encoder loss."""
    by_encoders = losses.speaker + losses.emotion + losses.sampled_speaker
    return set(changes) == {f"{task}.losses.embedding_distance"} and not by_encoders


def cell_path(run: Run, variant: str, seed: int) -> Path:
    """The run folder of one variant and seed."""
    name = variant.replace("+", "plus").replace(" ", "-").lower()
    return run.path / ABLATION / f"{name}-{seed}"


def cell_of(run: Run, source: Path, base: Config, variant: str, changes: dict[str, Any], seed: int) -> Run:
    """The cell of a variant and seed, on the corpus and the embeddings in ``source``, a run folder of ``base``.

    A cell with another corpus or other encoders has a manifest or embeddings of its own, and takes over the converted
    recordings, the stored vectors and the analyses. Raises ConfigError, which names the setting and the folder, where
    the cell was begun with another recipe.
    """
    config = base.override(changes | {f"{base.ablation.task}.training.seed": seed})
    cell = Run(cell_path(run, variant, seed), config)
    corpus, encoders = config.corpus == base.corpus, config.encoders == base.encoders
    shared = ["corpus" if corpus else "corpus/members"]
    shared += ["embeddings" if corpus and encoders else "embeddings/store"]
    # Analyses one by one where the corpus is another: the folder has a record of its own then.
    shared += ["analyses"] if corpus else _analyses(source)
    for name in shared:
        _link(source / name, cell.path / name)
    return cell


def _analyses(source: Path) -> list[str]:
    return sorted(path.relative_to(source).as_posix() for path in (source / "analyses").glob("*/*.npz"))


def _link(source: Path, link: Path) -> None:
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(source, link.parent), target_is_directory=source.is_dir())


def check_device(base: Config, device: str) -> None:
    """TrainingError where cells of a recipe cannot be trained on ``device``: before their stages, which take hours."""
    fabric_of(base.recipe(base.ablation.task).training, accelerator=device)


def trained(cell: Run, device: str = "auto") -> Vocoder:
    """The cell's vocoder, trained first where it has none, on "auto", "cpu" or "cuda"; its checkpoints are removed."""
    task = cell.config.ablation.task
    fabric = fabric_of(cell.config.recipe(task).training, accelerator=device)
    vocoder = train(cell, task, fabric=fabric)
    shutil.rmtree(cell.path / task / "checkpoints", ignore_errors=True)
    return vocoder.to(fabric.device)
