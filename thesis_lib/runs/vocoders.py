"""The trained vocoders of a run: loaded by whoever needs one, made by `thesis train` alone."""

from pathlib import Path

from thesis_lib.config import Task
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.vocoder.checkpoints import WEIGHTS
from thesis_lib.vocoder.synthesis import Vocoder


def vocoder_folder(run: Run, task: Task) -> Path:
    """Where training leaves the vocoder of a task."""
    return run.path / task / "vocoder"


def load_vocoder(run: Run, task: Task) -> Vocoder:
    """The run's trained vocoder. RunError with the command that trains it where there is none."""
    folder = vocoder_folder(run, task)
    if not (folder / WEIGHTS).exists():
        raise RunError(
            f"{folder} holds no trained vocoder: run `thesis train --task {task} --profile {run.config.profile} "
            f"--run-dir {run.path}` first"
        )
    return Vocoder.from_torch(folder)
