"""Style swap: test content in its own voice, with the emotion embedding of another recording in another style."""

from functools import partial
from itertools import permutations

import pandas as pd
import torch

from thesis_lib.corpus.manifest import Utterance
from thesis_lib.corpus.split import spread
from thesis_lib.embeddings.encoders import embed, emotion_encoder, revisions
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import prepared
from thesis_lib.runs.vocoders import load_vocoder
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import ALL, Columns, Scorer, System, TestSet, evaluate, interval
from thesis_lib.validation.metrics import Recording
from thesis_lib.validation.systems import ValidationItem
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

EMBEDDING, WITH_PITCH_RANGE = "embedding", "embedding and pitch range"
CONDITIONS = (EMBEDDING, WITH_PITCH_RANGE)
SIDES = ("content", "style", "output")
ABOUT = ("content", "style", "condition", "content_style", "style_style")
MEASURED = (*(f"{name}_{side}" for side in SIDES for name in metrics.PROSODY), "to_content", "to_style")
NO_STYLES = "the test split has no two recordings of different speakers in different styles"

StyleTrial = tuple[ValidationItem, ValidationItem]  # content, and another utterance in the style to take


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
    trials = _trials(run, progress)
    systems = [System(name, partial(_render, vocoder, name), about={"condition": name}) for name in CONDITIONS]
    test_set = TestSet(trials, _about, "swap, style")
    results = evaluate(test_set, systems, [_scorer(run, vocoder)], progress)
    if not trials:
        results.missing.append(dict.fromkeys(ABOUT, ALL) | {"reason": NO_STYLES})
    table = pd.DataFrame(results.rows, columns=[*ABOUT, *MEASURED])
    run.save_table("style_swap_not_measured", results.not_measured(ABOUT))
    weights = revisions([emotion_encoder(run.config.encoders)])
    run.save_table("style_swap", table, run.provenance_of("conversion", weights=weights))
    return table


def _trials(run: Run, progress: Progress) -> list[StyleTrial]:
    """Every two of some test utterances that differ in speaker and style."""
    manifest, embeddings = prepared(run, progress), embedded(run, progress, sides=("source",))
    audio, tests = run.config.audio, manifest.split("test")
    chosen = [tests[i] for i in spread(len(tests), max(2, int(run.config.swap.trials**0.5)))]
    items = [ValidationItem.load(u, manifest, embeddings, audio, run.config.swap.seconds) for u in chosen]
    return [trial for trial in permutations(items, 2) if _differ(*(item.utterance for item in trial))]


def _differ(content: Utterance, style: Utterance) -> bool:
    return content.style != style.style and content.speaker != style.speaker


def _about(trial: StyleTrial) -> Columns:
    content, style = (item.utterance for item in trial)
    return {"content": content.id, "style": style.id, "content_style": content.style, "style_style": style.style}


def _render(vocoder: Vocoder, condition: str, trial: StyleTrial) -> Recording:
    """The content in its own voice, with the other recording's emotion and, if asked for, its pitch range."""
    content, style = trial
    pitch_range = style.reference.pitch.range.log_f0_std if condition == WITH_PITCH_RANGE else None
    voice = Voice(content.voice.speaker, style.voice.emotion, content.voice.log_f0_median, pitch_range)
    return Recording(vocoder.render(content.wav, voice), vocoder.sample_rate, vocoder.audio)


def _scorer(run: Run, vocoder: Vocoder) -> Scorer[StyleTrial, Recording]:
    """The prosody of content, style and output, and the standardised cosines of the output to the others."""
    encoder = emotion_encoder(run.config.encoders)
    statistics = vocoder.generator.condition.emotion_statistics

    def score(trial: StyleTrial, output: Recording) -> Columns:
        found: Columns = {}
        recordings = (*(item.reference for item in trial), output)
        for side, recording in zip(SIDES, recordings, strict=True):
            found |= {f"{name}_{side}": value for name, value in metrics.prosody(recording).items()}
        content, style, output_style = (
            statistics(torch.tensor(embed(encoder, recording.wav, vocoder.sample_rate))).numpy()
            for recording in recordings
        )
        return found | {
            "to_content": metrics.cosine(output_style, content),
            "to_style": metrics.cosine(output_style, style),
        }

    return Scorer(score)


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
