"""Samples of the same words in several voices, each in several speaking styles."""

import itertools
from dataclasses import replace
from pathlib import Path

import pandas as pd

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.audio.pitch import track
from thesis_lib.cloning.speaker import between
from thesis_lib.corpus.manifest import Utterance
from thesis_lib.runs.embed import load_embeddings, voice_of
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.utils.progress import Progress, silent

CHOICES_PER_AXIS = 2  # number of contents, of voices, and of styles in addition to the voice's own
OWN_STYLE = "its own"


def sample_matrix(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Render test recordings with the conversion vocoder in every combination of content, voice and style.

    Returns one row per sample: content (text), voice (speaker), style, sample (a file below samples/). The voice is
    that of a speaker's first recording; the style is the emotion embedding and the log-F0 standard deviation of a
    recording in another style by another speaker. Raises RunError if the test split has fewer than
    ``CHOICES_PER_AXIS`` speakers.
    """
    if run.has("matrix"):
        return run.load_table("matrix")
    vocoder = load_trained_vocoder(run, "conversion")
    manifest, embeddings = load_manifest(run), load_embeddings(run, ("source",))
    first: dict[str, Utterance] = {}
    for utterance in manifest.split("test"):
        first.setdefault(utterance.speaker, utterance)
    if len(first) < CHOICES_PER_AXIS:
        raise RunError(
            f"the test split has {len(first)} of {CHOICES_PER_AXIS} speakers that a sample matrix needs: "
            "prepare more pairs"
        )
    voices = list(first.values())[:CHOICES_PER_AXIS]
    contents = list(first.values())[-CHOICES_PER_AXIS:]
    styled = {u.style: u for u in manifest.split("test") if u.style and u.style != voices[0].style}
    styles = [None, *list(styled.values())[:CHOICES_PER_AXIS]]
    rows = []
    work = list(itertools.product(contents, voices, styles))
    for number, (content, speaker, style) in enumerate(progress(work, len(work), "matrix")):
        voice = voice_of(speaker, manifest, embeddings, run.config.audio)
        if style:
            other = voice_of(style, manifest, embeddings, run.config.audio)
            deviation = track(read_audio(manifest.source(style))[0], run.config.audio).range.log_f0_std
            voice = between(voice, replace(other, log_f0_std=deviation), 1.0)
        wav = vocoder.render(read_audio(manifest.target(content))[0], voice)
        sample = Path("samples") / f"matrix_{number}.mp3"
        write_audio(run.path / sample, wav, vocoder.sample_rate)
        name = style.style if style else OWN_STYLE
        rows.append({"content": content.target_text, "voice": speaker.speaker, "style": name, "sample": str(sample)})
    table = pd.DataFrame(rows)
    run.save_table("matrix", table, run.provenance_of("conversion"))
    return table
