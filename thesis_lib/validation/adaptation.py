"""What few-shot adaptation adds, measured on test voices."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import write_audio
from thesis_lib.embeddings.encoders import evaluation_encoders, speaker_encoder
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.training.adaptation import adapt
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation.swap import Speaker, SpeakerScorer, System, corpus_speakers, summarise

BEFORE, AFTER = "before adaptation", "after adaptation"


def adaptation_test(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """The run's conversion vocoder adapted to some test voices, each by its Spanish recordings but the first.

    Every voice then says, conditioned on that first recording, what the other test voices say in English. One row a
    content, stage and scorer, with the swap test's columns, and their summary in ``adaptation_summary``; audio of the
    first of each goes to samples/.
    """
    if run.has("adaptation"):
        return run.load_table("adaptation")
    if run.table_path("adaptation").exists():
        shutil.rmtree(run.path / "adapted", ignore_errors=True)  # it came from another vocoder or corpus
    config, manifest = run.config, prepared(run, progress)
    before = train(run, "conversion", progress)
    speakers = [speaker for speaker in corpus_speakers(run) if speaker.kind == "unseen"]
    encoders = [speaker_encoder(config.encoders), *evaluation_encoders(config.encoders)]
    scorers = [SpeakerScorer(encoder, speakers, config.audio.sample_rate) for encoder in encoders]
    targets, rows = speakers[: config.adaptation.voices], []
    for number, target in enumerate(progress(targets, len(targets), "adapt")):
        own = [manifest.source(u) for u in manifest.split("test") if u.speaker == target.name][1:]
        adapted = adapt(own, run.path / "adapted" / str(number), before.name, config.adaptation.minutes)
        contents = [speaker for speaker in speakers if speaker.name != target.name]
        for stage, vocoder in ((BEFORE, before), (AFTER, adapted)):
            system = System("conversion", stage, vocoder)
            for content in contents:
                wav = system.render(content.content, target.voice)
                rows += [scored_row("corpus", stage, wav, target, content, scorer) for scorer in scorers]
                if content is contents[0]:
                    write_audio(adaptation_sample(run, number, stage), wav, vocoder.sample_rate)
        write_audio(adaptation_sample(run, number, "voice"), target.references[0], config.audio.sample_rate)
    table = pd.DataFrame(rows)
    provenance = run.provenance_of("conversion")
    run.save_table("adaptation_summary", summarise(table, config.swap.seed), provenance)
    run.save_table("adaptation", table, provenance)
    return table


def adaptation_sample(run: Run, number: int, what: str) -> Path:
    """Where the audio of a voice is kept: ``BEFORE``, ``AFTER``, or "voice", a recording of it."""
    return run.path / "samples" / f"adaptation_{number}_{what.split()[0]}.mp3"


def scored_row(
    test_set: str, stage: str, wav: np.ndarray, target: Speaker, content: Speaker, scorer: SpeakerScorer
) -> dict:
    """A row of what ``summarise`` takes: one output before or after adaptation, by one scorer."""
    about = {"test_set": test_set, "task": "conversion", "stage": stage, "target": target.kind}
    names = {"content": content.name, "target_speaker": target.name, "encoder": scorer.encoder.name}
    return about | names | scorer.score(wav, target, content)
