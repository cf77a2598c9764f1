"""Style swap: test content in its own voice, with the emotion embedding of another recording in another style."""

from functools import partial
from itertools import permutations

import numpy as np
import pandas as pd
import torch

from thesis_lib.corpus.manifest import Utterance
from thesis_lib.corpus.split import spread
from thesis_lib.embeddings.encoders import embed, emotion_encoder, revisions
from thesis_lib.runs.embed import load_embeddings
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import ALL, UNMEASURABLE, Columns, Scorer, System, TestSet, evaluate, interval
from thesis_lib.validation.metrics import Recording
from thesis_lib.validation.systems import ValidationItem
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

EMBEDDING, WITH_PITCH_RANGE = "embedding", "embedding and pitch range"
CONDITIONS = (EMBEDDING, WITH_PITCH_RANGE)
SIDES = ("content", "style", "output")
ABOUT = ("content", "style", "condition", "content_style", "style_style", "content_speaker", "style_speaker")
MEASURED = (*(f"{name}_{side}" for side in SIDES for name in metrics.PROSODY), "to_content", "to_style")
NO_STYLES = "the test split has no two recordings of different speakers in different styles"

MIN_SPEAKERS = 3  # of contents and of styles

StyleTrial = tuple[ValidationItem, ValidationItem]  # content, and another utterance in the style to take


def style_swap(run: Run, progress: Progress = silent) -> pd.DataFrame:
    """Render test content in its own voice with the style of another recording.

    Two conditions of each trial: the emotion embedding alone, and with the pitch range of the style's recording. One
    row for each trial and condition: each statistic of content, style and output, and the emotion encoder's
    standardised cosines of the output to style and content. Trials without a row are in ``style_swap_not_measured``
    with the reason, and so are recordings that cannot be used; a corpus without styles has no row at all. Raises
    RunError without a trained conversion vocoder.
    """
    if run.has("style_swap"):
        return run.load_table("style_swap")
    vocoder = load_trained_vocoder(run, "conversion")
    trials, unusable = _trials(run)
    systems = [System(name, partial(_render, vocoder, name), about={"condition": name}) for name in CONDITIONS]
    test_set = TestSet(trials, _about, "swap, style")
    results = evaluate(test_set, systems, [_scorer(run, vocoder)], progress)
    results.missing.extend(unusable)
    table = pd.DataFrame(results.rows, columns=[*ABOUT, *MEASURED])
    weights = revisions([emotion_encoder(run.config.encoders)])
    provenance = run.provenance_of("conversion", weights=weights)
    run.save_table("style_swap_not_measured", results.not_measured(ABOUT), provenance)
    run.save_table("style_swap", table, provenance)
    return table


def _trials(run: Run) -> tuple[list[StyleTrial], list[Columns]]:
    """Every two of some test utterances that differ in speaker and style, and a row for each that cannot be used.

    Where no two differ, a row says so.
    """
    manifest, embeddings = load_manifest(run), load_embeddings(run, ("source",))
    audio, tests = run.config.audio, manifest.split("test")
    chosen = [tests[i] for i in spread(len(tests), max(2, int(run.config.swap.trials**0.5)))]
    items, missing = [], []
    if not any(_differ(*pair) for pair in permutations(chosen, 2)):
        missing.append(dict.fromkeys(ABOUT, ALL) | {"reason": NO_STYLES})
    for utterance in chosen:
        try:
            items.append(ValidationItem.load(utterance, manifest, embeddings, audio, run.config.swap.seconds))
        except UNMEASURABLE as error:
            missing.append(dict.fromkeys(ABOUT, ALL) | {"content": utterance.id, "reason": str(error)})
    return [trial for trial in permutations(items, 2) if _differ(*(item.utterance for item in trial))], missing


def _differ(content: Utterance, style: Utterance) -> bool:
    return content.style != style.style and content.speaker != style.speaker


def _about(trial: StyleTrial) -> Columns:
    content, style = (item.utterance for item in trial)
    return {
        "content": content.id,
        "style": style.id,
        "content_style": content.style,
        "style_style": style.style,
        "content_speaker": content.speaker,
        "style_speaker": style.speaker,
    }


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


def style_summary(
    table: pd.DataFrame, seed: int, resamples: int = 1000, missing: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Slope of the output's statistic on the style's within a content: 0 ignores the style, 1 takes it wholly.

    The content is a factor: its mean over the styles that it was given is removed from both sides, so that an output
    which moves to the mean of all styles has slope 0. Columns: condition, statistic, slope with its 95 % bootstrap
    interval over the speakers of contents and of styles, n, reason. Where no content has two styles the slope is NaN
    and ``reason`` says why; for a condition without a row that is the most frequent reason in ``missing``, the table
    ``style_swap_not_measured``. A table of earlier versions has no speakers; its interval is over recordings.
    """
    rows = []
    for condition in _conditions(table, missing):
        part = table[table.condition == condition]
        groups = [part[f"{side}_speaker" if f"{side}_speaker" in part else side].to_numpy() for side in SIDES[:2]]
        # The vocoder keeps the content's timing, so rate and pauses cannot follow.
        for name, label in metrics.PROSODY.items():
            style, output = (part[f"{name}_{side}"].to_numpy(float) for side in ("style", "output"))
            slope = metrics.slope_within(style, output, part.content.to_numpy())
            found = interval(len(part), slope, resamples, seed, groups)
            if reason := _reason(condition, missing) if not len(part) else _too_few(groups):
                found |= {"value": np.nan, "low": np.nan, "high": np.nan, "reason": reason}
            rows.append({"condition": condition, "statistic": label, "slope": found.pop("value")} | found)
    return pd.DataFrame(rows)


def _conditions(table: pd.DataFrame, missing: pd.DataFrame | None) -> list[str]:
    """The conditions with a row or with a trial that failed; all where there was no trial."""
    tried = [*table.condition, *([] if missing is None else missing.condition)]
    return [name for name in dict.fromkeys(tried) if name != ALL] or list(CONDITIONS)


def _too_few(groups: list[np.ndarray]) -> str:
    """The reason where the speakers of contents or styles are too few: with two, every draw has a single pair."""
    count = min(len(set(names)) for names in groups)
    return "" if count >= MIN_SPEAKERS else f"{count} speakers; the slope's interval needs {MIN_SPEAKERS}"


def _reason(condition: str, missing: pd.DataFrame | None) -> str:
    """Why a condition has no row: the most frequent reason of its trials, else of the recordings."""
    if missing is None or not len(missing) or NO_STYLES in set(missing.reason):
        return NO_STYLES
    own = missing[missing.condition == condition]
    return str((own if len(own) else missing).reason.mode().iloc[0])
