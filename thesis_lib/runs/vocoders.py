"""The trained vocoders of a run: loaded by every consumer, made by `thesis train` alone."""

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from thesis_lib import pretrained
from thesis_lib.config import Task, TrainingConfig, digest
from thesis_lib.config.recipes import COLD
from thesis_lib.corpus.manifest import Manifest, index_of
from thesis_lib.runs.embed import embedding_titles
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.stages import TRAIN, changes, check_inputs, corpus_inputs, recorded, settings_inputs
from thesis_lib.vocoder import hub
from thesis_lib.vocoder.checkpoints import WEIGHTS, CheckpointError
from thesis_lib.vocoder.content import PHONETIC_MODEL
from thesis_lib.vocoder.sources import vocoder_key
from thesis_lib.vocoder.synthesis import Vocoder

TARGET_SPEAKERS = "ecapa-speakers"  # the class weights that give the sampled target speakers


class StaleWarning(UserWarning):
    """A vocoder is used that was trained on another corpus, recipe or encoder than the run has now."""


def vocoder_folder(run: Run, task: Task) -> Path:
    """The folder of a task's trained vocoder."""
    return run.path / task / "vocoder"


def vocoder_inputs(run: Run, task: Task, manifest: Manifest) -> dict[str, Any]:
    """What a vocoder is trained from: corpus, encoders and other weights by their revisions, audio settings, recipe."""
    recipe = settings_inputs(task, run.config.recipe(task))
    settings = settings_inputs("audio", run.config.audio) | recipe
    for name in TrainingConfig.OPERATIONAL:
        settings.pop(f"{task}.training.{name}")
    return corpus_inputs(run, manifest) | _bandwidths(manifest) | embedding_titles(run) | _weights(run, task) | settings


def _weights(run: Run, task: Task) -> dict[str, str]:
    """Fingerprints of the vocoders that the training reads, and revisions of the pretrained weights of its losses.

    None of a vocoder that is gone, and none of one on the model hub, which would be asked at every load.
    """
    recipe, found = run.config.recipe(task), {}
    for role, source in (("warm start", recipe.training.warm_start), ("teacher", recipe.training.teacher)):
        if source not in (None, COLD) and not hub.is_repository(source):
            with suppress(CheckpointError):
                found[f"weights of the {role}"] = vocoder_key(source)
    networks = {"sampled_speaker": TARGET_SPEAKERS, "content": PHONETIC_MODEL}
    for loss, network in networks.items():
        if getattr(recipe.losses, loss):
            found[f"weights of losses.{loss}"] = f"{network} ({pretrained.get(network).revision})"
    return found


def _bandwidths(manifest: Manifest) -> dict[str, str]:
    """The bandwidths of the band-limited recordings, which training low-passes at."""
    found = {u.id: u.target_bandwidth for u in manifest if u.target_bandwidth is not None}
    return {"bandwidths of the recordings": digest(found)}


def check_vocoder(run: Run, task: Task) -> None:
    """StaleError when a task's vocoder was trained from inputs that have changed since."""
    if vocoder_changes(run, task):
        check_inputs(run, TRAIN, vocoder_inputs(run, task, Manifest.load(run.path / "corpus")), task)


def load_trained_vocoder(run: Run, task: Task) -> Vocoder:
    """The run's trained vocoder, on the run's device.

    A StaleWarning names the inputs that have changed since its training. RunError with the command that trains it where
    there is none; EncoderMismatchError where the run's embeddings are by other encoders than those that it was trained
    with; DeviceError where the machine does not have the run's device.
    """
    folder = vocoder_folder(run, task)
    if not (folder / WEIGHTS).exists():
        raise RunError(f"{folder} holds no trained vocoder: run `{TRAIN.command_for(run, task)}` first")
    vocoder = Vocoder.from_torch(folder, device=run.device)
    again = f"to train it again, remove {folder.parent} and run `{TRAIN.command_for(run, task)}`"
    if titles := embedding_titles(run):
        stored = titles["speaker encoder"], titles["emotion encoder"]
        vocoder.description.check_embeddings(*stored, f"{folder} cannot be used with them; {again}")
    if found := vocoder_changes(run, task):
        before = f"{folder} was trained before {' and '.join(found)} changed"
        warnings.warn(f"{before}: {again}", StaleWarning, stacklevel=2)
    return vocoder


def vocoder_changes(run: Run, task: Task) -> list[str]:
    """The inputs of a task's vocoder that have changed since its training; empty where none are recorded."""
    folder = TRAIN.folder(run, task)
    if not recorded(folder) or not index_of(run.path / "corpus").exists():
        return []
    return changes(folder, vocoder_inputs(run, task, Manifest.load(run.path / "corpus")))
