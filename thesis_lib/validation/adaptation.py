"""Evaluation of speaker adaptation (few-shot): conversion before and after it, on test speakers."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import write_audio
from thesis_lib.config import EncoderConfig
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.embeddings.encoders import revisions
from thesis_lib.runs.commands import adapt_command
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.training.adaptation import adapt, adapted_key
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation.evaluation import Keep, Results, System, TestSet, evaluate, save_results
from thesis_lib.validation.roles import Roles
from thesis_lib.validation.swap import (
    SpeakerScorer,
    SwapSpeaker,
    SwapSystem,
    Trial,
    corpus_speakers,
    speaker_scorers,
    summarise_swaps,
    trial_scorer,
    trial_system,
)
from thesis_lib.vocoder.checkpoints import WEIGHTS
from thesis_lib.vocoder.synthesis import Vocoder, adaptation_key

BEFORE, AFTER = "before adaptation", "after adaptation"
ABOUT = ("test_set", "task", "stage", "target", "content", "target_speaker", "encoder")


def adapt_speakers(run: Run, progress: Progress = silent) -> None:
    """Adapt the run's conversion vocoder to some test speakers, each by its Spanish recordings except the first.

    A training of ``adaptation.minutes`` for each speaker; a finished one of the same vocoder and recordings is not
    repeated, and none is needed where the table "adaptation" is up to date. Raises RunError without a trained
    conversion vocoder.
    """
    if run.has("adaptation"):
        return
    before, plugins = load_trained_vocoder(run, "conversion"), run.config.plugins
    encoders = EncoderConfig(emotion_folder=run.config.encoders.emotion_folder)
    targets, manifest = _speakers(run)[: run.config.adaptation.voices], load_manifest(run)
    for number, target in enumerate(progress(targets, len(targets), "adapt")):
        made = _adaptation(run, manifest, number, target, before)
        if adapted_key(made.folder) != made.key:
            shutil.rmtree(made.folder, ignore_errors=True)  # made from another vocoder or other recordings
        adapt(made.recordings, made.folder, before.name, run.config.adaptation.minutes, silent, encoders, plugins)


def adaptation_test(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Compare the run's conversion vocoder with those that ``adapt_speakers`` adapted to some test speakers.

    Conditioned on a speaker's first Spanish recording, they render what the other test speakers say in English. One row
    a content, stage and encoder, with the speaker swap's columns, and their summary in ``adaptation_summary``; audio of
    the first of each goes to samples/. Raises RunError without a trained conversion vocoder, and without an adapted
    one, with the command that makes it.
    """
    if run.has("adaptation"):
        return run.load_table("adaptation")
    config, before = run.config, load_trained_vocoder(run, "conversion")
    speakers, manifest = _speakers(run), load_manifest(run)
    scorers = speaker_scorers(run, speakers)
    targets, results = speakers[: config.adaptation.voices], Results()
    for number, target in enumerate(progress(targets, len(targets), "adaptation")):
        adapted = _load_adapted(run, _adaptation(run, manifest, number, target, before), before)
        contents = [speaker for speaker in speakers if speaker.name != target.name]

        def keep(
            trial: Trial, system: System, wav: np.ndarray, first: SwapSpeaker = contents[0], number: int = number
        ) -> None:
            if trial.content is first:
                write_audio(adaptation_sample(run, number, system.name), wav, config.audio.sample_rate)

        results += compared("corpus", before, adapted, target, contents, scorers, keep)
        write_audio(adaptation_sample(run, number, "voice"), target.references[0], config.audio.sample_rate)
    weights = revisions(scorer.encoder for scorer in scorers)
    summary = summarise_swaps(results.table, config.swap.seed)
    roles = Roles.of(config, {"conversion": before})
    summary["role"] = [roles.of_network(name) for name in summary.encoder]
    return save_results(run, "adaptation", results, ABOUT, summary, run.provenance_of("conversion", weights=weights))


@dataclass(frozen=True)
class _Adaptation:
    """An adapted vocoder: its folder, its recordings, and the key that they give it."""

    folder: Path
    recordings: list[Path]
    key: str


def _speakers(run: Run) -> list[SwapSpeaker]:
    return [speaker for speaker in corpus_speakers(run) if speaker.kind == "unseen"]


def _adaptation(run: Run, manifest: Manifest, number: int, target: SwapSpeaker, before: Vocoder) -> _Adaptation:
    own = [manifest.source(u) for u in manifest.split("test") if u.speaker == target.name][1:]
    key = adaptation_key(own, before.name, run.config.adaptation.minutes)
    return _Adaptation(run.path / "adapted" / str(number), own, key)


def _load_adapted(run: Run, made: _Adaptation, before: Vocoder) -> Vocoder:
    """RunError with the command that adapts where there is no vocoder, or one of another vocoder or recordings."""
    vocoder = made.folder / "conversion" / "vocoder"
    if (vocoder / WEIGHTS).exists() and adapted_key(made.folder) == made.key:
        return Vocoder.from_torch(vocoder, device=run.device)
    command = adapt_command(made.recordings, made.folder, before.name, run.config.adaptation.minutes, run.config)
    is_other = made.folder.exists() and adapted_key(made.folder) != made.key
    remedy = "remove that folder and run" if is_other else "run"
    raise RunError(f"{made.folder} holds no vocoder adapted from today's {before.name}: {remedy} `{command}` first")


def compared(
    test_set: str,
    before: Vocoder,
    after: Vocoder,
    target: SwapSpeaker,
    contents: list[SwapSpeaker],
    scorers: list[SpeakerScorer],
    keep: Keep | None = None,
) -> Results:
    """Evaluate a vocoder before and after adaptation to ``target``, on the content of other speakers."""
    trials = [Trial(content, target, number) for number, content in enumerate(contents)]
    stages = ((BEFORE, before), (AFTER, after))
    systems = [trial_system(SwapSystem("conversion", stage, vocoder)) for stage, vocoder in stages]
    about = {"test_set": test_set, "target": target.kind, "target_speaker": target.name}
    work = TestSet(trials, lambda trial: about | {"content": trial.content.name}, "adaptation")
    by_encoder = [trial_scorer(scorer) for scorer in scorers]
    return evaluate(work, systems, by_encoder, keep=keep, by_system=True, parallel=True)


def adaptation_sample(run: Run, number: int, what: str) -> Path:
    """Path of the audio of a target speaker: ``BEFORE``, ``AFTER``, or "voice", a recording."""
    return run.path / "samples" / f"adaptation_{number}_{what.split()[0]}.mp3"
