"""Distillation targets: the training recordings as a teacher vocoder synthesises them."""

from collections.abc import Sequence
from pathlib import Path

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.config import Task, digest
from thesis_lib.corpus.manifest import Manifest, Utterance
from thesis_lib.runs.embed import Embeddings, load_embeddings
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.runs.stages import TRAIN, corpus_inputs
from thesis_lib.runs.vocoders import vocoder_folder
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.sources import vocoder_key
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice


def distilled(run: Run, task: Task, progress: Progress = silent) -> list[Path]:
    """The distillation targets of a task's training split, in its order; empty where the recipe has no teacher.

    A stage before training: its time is no part of ``training.max_minutes``, so that a run with stored
    targets trains as long as one that makes them. Raises what ``distillation_targets`` raises, and RunError where the
    corpus or its embeddings are missing.
    """
    teacher = run.config.recipe(task).training.teacher
    if teacher is None:
        return []
    manifest, embeddings = load_manifest(run), load_embeddings(run, ("source",))
    return distillation_targets(run, teacher, manifest, manifest.split("train"), embeddings, progress)


def load_distilled(run: Run, task: Task) -> list[Path]:
    """The stored distillation targets, as ``distilled`` returns them.

    Raises RunError with the command that makes them where some are missing, and CheckpointError when the teacher cannot
    be loaded.
    """
    teacher = run.config.recipe(task).training.teacher
    if teacher is None:
        return []
    manifest, embeddings = load_manifest(run), load_embeddings(run, ("source",))
    folder = _folder(run, teacher, manifest, embeddings)
    paths = _paths(folder, manifest.split("train"))
    if missing := sum(not path.exists() for path in paths):
        # A finished training makes none; without its vocoder it continues from the last checkpoint.
        finished = vocoder_folder(run, task)
        remedy = f"remove {finished} and run" if finished.exists() else "run"
        command = TRAIN.command_for(run, task)
        raise RunError(f"{folder} lacks {missing} of {len(paths)} distillation targets: {remedy} `{command}` first")
    return paths


def distillation_targets(
    run: Run,
    teacher: str,
    manifest: Manifest,
    utterances: Sequence[Utterance],
    embeddings: Embeddings,
    progress: Progress = silent,
) -> list[Path]:
    """Synthesise each English recording by the teacher (a name or a folder) under its own condition.

    The files are aligned with the recordings sample by sample, stored in the run's distilled/ folder, one subfolder
    for each teacher, and synthesised once. Returns their paths in the order of ``utterances``. Raises CheckpointError
    when the teacher cannot be loaded.
    """
    paths = _paths(_folder(run, teacher, manifest, embeddings), utterances)
    missing = [pair for pair in zip(utterances, paths, strict=True) if not pair[1].exists()]
    vocoder = Vocoder.from_torch(teacher)
    for utterance, path in progress(missing, len(missing), "distillation targets"):
        wav, rate = read_audio(manifest.target(utterance))
        write_audio(path, vocoder.render(wav, Voice(*embeddings.condition(utterance))), rate)
    return paths


def _folder(run: Run, teacher: str, manifest: Manifest, embeddings: Embeddings) -> Path:
    """The folder of the targets of the teacher's weights as they are now, of this corpus and these embeddings."""
    encoders = [embeddings.speaker_encoder, embeddings.emotion_encoder]
    return run.path / "distilled" / digest([vocoder_key(teacher), corpus_inputs(run, manifest), encoders])


def _paths(folder: Path, utterances: Sequence[Utterance]) -> list[Path]:
    return [folder / f"{utterance.id}.wav" for utterance in utterances]
