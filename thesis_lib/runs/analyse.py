"""The stage "analyse": pitch and content features of the English recordings, computed once and stored."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from thesis_lib import pretrained
from thesis_lib.audio.files import read_audio
from thesis_lib.audio.pitch import Pitch
from thesis_lib.config import AudioConfig, ContentConfig, Task
from thesis_lib.corpus.manifest import Manifest, Utterance
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import load_manifest, prepared
from thesis_lib.runs.stages import ANALYSE, check_inputs, corpus_inputs, record_inputs, settings_inputs
from thesis_lib.utils.files import replacing
from thesis_lib.utils.parallel import map_on_cores, spread_over
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.content import PHONETIC_MODEL, PHONETIC_VERSION, Analysis, analyse, release

SPLITS = ("train", "validation")  # the splits that training reads; a test recording is analysed when it is converted
_FIRST = threading.Lock()  # held by the first analysis after each load, which loads the recogniser for all threads
_READY = threading.Event()


def analysed(run: Run, task: Task, progress: Progress = silent, scheduler: str | None = None) -> list[Path]:
    """Analyse the training and validation recordings for a task's content, where that has not been done.

    On every core, or on the workers of a Dask ``scheduler``, which must see the run folder; Whisper computes on the
    run's device. Resumes after an interruption. Returns the stored files (.npz) in the manifest's order; none for the
    content "mel", which needs none.
    Raises StaleError when the stored analyses are of another corpus or recogniser, and ModelError when Whisper cannot
    be had.
    """
    content = run.config.recipe(task).content
    if content.kind == "mel":
        return []
    manifest = prepared(run, progress, scheduler)
    record_inputs(run, ANALYSE, _inputs(run, manifest, content), task, content.kind)
    chosen, paths = _analyses(run, manifest, content)
    recordings = map(manifest.target, chosen)
    missing = [(wav, path) for wav, path in zip(recordings, paths, strict=True) if not path.exists()]
    if missing:
        work = _Analyser(run.config.audio, content, run.device)
        # Threads share one Whisper on the GPU; each process would load its own there.
        here = scheduler is None and run.device != "cpu"
        results = map_on_cores(work, missing) if here else spread_over(work, missing, scheduler)
        _finish(progress(results, len(missing), f"analyse, {content.kind}"))
        release()
        _READY.clear()
    return paths


def load_analyses(run: Run, task: Task) -> list[Path]:
    """The stored files of a task's analyses, as ``analysed`` returns them.

    Raises RunError with the command that analyses where some are missing, and StaleError as ``analysed``.
    """
    content = run.config.recipe(task).content
    if content.kind == "mel":
        return []
    manifest = load_manifest(run)
    check_inputs(run, ANALYSE, _inputs(run, manifest, content), task, content.kind)
    _, paths = _analyses(run, manifest, content)
    if missing := sum(not path.exists() for path in paths):
        folder, command = ANALYSE.folder(run, task, content.kind), ANALYSE.command_for(run, task)
        raise RunError(f"{folder} lacks {missing} of {len(paths)} analyses: run `{command}` first")
    return paths


def _analyses(run: Run, manifest: Manifest, content: ContentConfig) -> tuple[list[Utterance], list[Path]]:
    """The utterances that are analysed, and the file of each."""
    chosen = [utterance for utterance in manifest if utterance.split in SPLITS]
    return chosen, [analysis_path(run, utterance, content) for utterance in chosen]


def analysis_path(run: Run, utterance: Utterance, config: ContentConfig) -> Path:
    """The file that stores an utterance's analysis."""
    return run.path / "analyses" / config.kind / f"{utterance.id}.npz"


def load_analysis(path: Path) -> Analysis:
    """A stored analysis. FileNotFoundError where the stage "analyse" has not run."""
    with np.load(path, allow_pickle=False) as stored:
        return Analysis(load_pitch(path), stored["mel_mean"], stored["phonetic"].astype(np.float32))


def load_pitch(path: Path) -> Pitch:
    """The pitch contour of a stored analysis, without reading its content features."""
    with np.load(path, allow_pickle=False) as stored:
        return Pitch(stored["log_f0"], stored["voicing"])


@dataclass(frozen=True)
class _Analyser:
    """Analyse one recording and store the result; picklable, for other processes."""

    audio: AudioConfig
    content: ContentConfig
    device: str  # of Whisper

    def __call__(self, item: tuple[Path, Path]) -> None:
        recording, path = item
        if _READY.is_set():
            self._store(recording, path)
            return
        with _FIRST:
            self._store(recording, path)
            _READY.set()

    def _store(self, recording: Path, path: Path) -> None:
        found = analyse(read_audio(recording)[0], self.audio, self.content, device=self.device)
        _save(found, path)


def _save(found: Analysis, path: Path) -> None:
    pitch = found.pitch
    with replacing(path) as partial, open(partial, "wb") as stream:
        half = found.phonetic.astype(np.float16)
        np.savez(stream, mel_mean=found.mel_mean, phonetic=half, log_f0=pitch.log_f0, voicing=pitch.voicing)


def _finish(results: Iterable[None]) -> None:
    for _ in results:
        pass


def _inputs(run: Run, manifest: Manifest, content: ContentConfig) -> dict[str, Any]:
    """What an analysis depends on."""
    found = corpus_inputs(run, manifest) | settings_inputs("audio", run.config.audio)
    if content.kind == "phonetic":
        revision = pretrained.get(PHONETIC_MODEL).revision
        found["recogniser"] = f"{PHONETIC_MODEL} ({revision}), version {PHONETIC_VERSION}"
    return found
