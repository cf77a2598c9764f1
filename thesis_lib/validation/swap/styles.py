"""Style swap: test content in its own voice, with the emotion embedding of another recording in another style."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from thesis_lib.audio.files import AudioError, read_audio
from thesis_lib.audio.pitch import PitchError, track
from thesis_lib.corpus.manifest import Utterance
from thesis_lib.corpus.split import spread
from thesis_lib.embeddings.encoders import embed, emotion_encoder
from thesis_lib.runs.embed import embedded, voice_of
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.runs.vocoders import load_vocoder
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import interval
from thesis_lib.validation.swap.voices import opening
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

EMBEDDING, WITH_PITCH_RANGE = "embedding", "embedding and pitch range"
CONDITIONS = (EMBEDDING, WITH_PITCH_RANGE)
SIDES = ("content", "style", "output")
ABOUT = ("content", "style", "condition", "content_style", "style_style")
MEASURED = (*(f"{name}_{side}" for side in SIDES for name in metrics.PROSODY), "to_content", "to_style")
NO_STYLES = "the test split has no two recordings of different speakers in different styles"


def style_swap(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Render test content in its own voice with the style of another recording.

    Two conditions of each trial: the emotion embedding alone, and with the pitch range of the style's recording. One
    row a trial and condition: each statistic of content, style and output, and the emotion encoder's standardised
    cosines of the output to style and content. Trials without a row are in ``style_swap_not_measured`` with the
    reason; a corpus without styles has no row at all. Raises RunError without a trained conversion vocoder.
    """
    if run.has("style_swap"):
        return run.load_table("style_swap")
    vocoder = load_vocoder(run, "conversion")
    manifest, embeddings = prepared(run, progress), embedded(run, progress, sides=("source",))
    measure = _measure(run, vocoder)
    tests = manifest.split("test")
    contents = [tests[i] for i in spread(len(tests), max(2, int(run.config.swap.trials**0.5)))]
    pairs = [(c, m) for c in contents for m in contents if c.style != m.style and c.speaker != m.speaker]
    rows = []
    missing = [] if pairs else [dict.fromkeys(ABOUT, "all") | {"reason": NO_STYLES}]
    for content, other in progress(pairs, len(pairs), "swap, style"):
        own, target = (voice_of(u, manifest, embeddings, run.config.audio) for u in (content, other))
        wavs = [opening(read_audio(manifest.target(u))[0], run.config) for u in (content, other)]
        for condition in CONDITIONS:
            about = _about(content, other, condition)
            try:
                pitch_range = None if condition == EMBEDDING else track(wavs[1], run.config.audio).range.log_f0_std
                output = vocoder.render(wavs[0], Voice(own.speaker, target.emotion, own.log_f0_median, pitch_range))
                rows.append(about | measure([*wavs, output]))
            except (AudioError, PitchError, metrics.MetricError) as error:
                missing.append(about | {"reason": str(error)})
    table = pd.DataFrame(rows, columns=[*ABOUT, *MEASURED])
    run.save_table("style_swap_not_measured", pd.DataFrame(missing, columns=[*ABOUT, "reason"]))
    run.save_table("style_swap", table, run.provenance_of("conversion"))
    return table


def _about(content: Utterance, style: Utterance, condition: str) -> dict[str, str]:
    values = (content.id, style.id, condition, content.style, style.style)
    return dict(zip(ABOUT, values, strict=True))


def _measure(run: Run, vocoder: Vocoder) -> Callable[[list[np.ndarray]], dict[str, float]]:
    """[content, style, output] -> the statistics of all three, and the output's cosines to the others."""
    encoder = emotion_encoder(run.config.encoders)
    statistics = vocoder.generator.condition.emotion_statistics

    def measure(wavs: list[np.ndarray]) -> dict[str, float]:
        found: dict[str, float] = {}
        for side, wav in zip(SIDES, wavs, strict=True):
            recording = metrics.Recording(wav, vocoder.sample_rate, vocoder.audio)
            found |= {f"{name}_{side}": value for name, value in metrics.prosody(recording).items()}
        content, style, output = (
            statistics(torch.tensor(embed(encoder, wav, vocoder.sample_rate))).numpy() for wav in wavs
        )
        return found | {"to_content": metrics.cosine(output, content), "to_style": metrics.cosine(output, style)}

    return measure


def style_summary(table: pd.DataFrame, seed: int, resamples: int = 1000) -> pd.DataFrame:
    """Slope of the output's statistic on the style's within a content: 0 ignores the style, 1 takes it wholly.

    The content is a factor: its mean over the styles that it was given is removed from both sides, so that an output
    which moves to the mean of all styles has slope 0. Columns: condition, statistic, slope with its 95 % bootstrap
    interval over contents and styles, n, reason. Where no content has two styles the slope is NaN and ``reason`` says
    why.
    """
    rows = []
    for condition in dict.fromkeys(table.condition) if len(table) else CONDITIONS:
        part = table[table.condition == condition]
        groups = (part.content.to_numpy(), part["style"].to_numpy())
        # The vocoder keeps the content's timing, so rate and pauses cannot follow.
        for name, label in metrics.PROSODY.items():
            style, output = (part[f"{name}_{side}"].to_numpy(float) for side in ("style", "output"))
            slope = metrics.slope_within(style, output, groups[0])
            found = interval(len(part), slope, resamples, seed, groups)
            if not len(table):
                found["reason"] = NO_STYLES
            rows.append({"condition": condition, "statistic": label, "slope": found.pop("value")} | found)
    return pd.DataFrame(rows)
