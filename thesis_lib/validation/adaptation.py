"""Evaluation of speaker adaptation (few-shot): conversion before and after it, on test speakers."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import write_audio
from thesis_lib.embeddings.encoders import revisions
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.runs.vocoders import load_vocoder
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
from thesis_lib.vocoder.synthesis import Vocoder, adaptation_key

BEFORE, AFTER = "before adaptation", "after adaptation"
ABOUT = ("test_set", "task", "stage", "target", "content", "target_speaker", "encoder")


def adaptation_test(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Adapt the run's conversion vocoder to some test speakers, each by its Spanish recordings but the first.

    Conditioned on that first recording, it then renders what the other test speakers say in English. One row a
    content, stage and encoder, with the speaker swap's columns, and their summary in ``adaptation_summary``; audio of
    the first of each goes to samples/. Raises RunError without a trained conversion vocoder.
    """
    if run.has("adaptation"):
        return run.load_table("adaptation")
    config, manifest = run.config, prepared(run, progress)
    before = load_vocoder(run, "conversion")
    speakers = [speaker for speaker in corpus_speakers(run) if speaker.kind == "unseen"]
    scorers = speaker_scorers(run, speakers)
    targets, results = speakers[: config.adaptation.voices], Results()
    for number, target in enumerate(progress(targets, len(targets), "adapt")):
        own = [manifest.source(u) for u in manifest.split("test") if u.speaker == target.name][1:]
        folder = run.path / "adapted" / str(number)
        if adapted_key(folder) != adaptation_key(own, before.name, config.adaptation.minutes):
            shutil.rmtree(folder, ignore_errors=True)  # made from another vocoder or other recordings
        adapted = adapt(own, folder, before.name, config.adaptation.minutes)
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
    return evaluate(work, systems, [trial_scorer(scorer) for scorer in scorers], keep=keep, by_system=True)


def adaptation_sample(run: Run, number: int, what: str) -> Path:
    """Path of the audio of a target speaker: ``BEFORE``, ``AFTER``, or "voice", a recording."""
    return run.path / "samples" / f"adaptation_{number}_{what.split()[0]}.mp3"
