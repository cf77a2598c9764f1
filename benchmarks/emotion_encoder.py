"""Triplet accuracy, speaker identification and emotion recall of emotion encoders.

Needs a folder of acted recordings that no encoder here was trained on, with a table utterances.tsv of the columns path,
speaker, emotion, sentence and, optional, use: THESIS_EMOTIONS names it. Rows marked "train" are left out, because
whisper-emotion was trained on them. Every encoder is measured raw and standardised on the measured recordings,
without their labels (arXiv:2604.26347 subtracts the mean).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.acted import TABLE, acted_folder, acted_table
from benchmarks.json_rows import interval_columns
from thesis_lib.audio.files import read_audio
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import embed, emotion_encoder
from thesis_lib.embeddings.encoders.emotion import EmotionEncoder, statistics
from thesis_lib.embeddings.encoders.emotion_numpy import trimmed
from thesis_lib.embeddings.triplets import CHANCE, centroid_cosines, nearest_is_same, triplet_accuracy
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.validation.metrics import Bounded, Share, Statistic, auc

RATE = 16_000
RESAMPLES = 1000
DISTRACTORS = {"none": (), "speaker": ("speaker",), "text": ("sentence",), "speaker and text": ("speaker", "sentence")}
QUICK_SPEAKERS = 4


def run(quick: bool) -> dict:
    """A row for each encoder, way of scaling and measure; per emotion AUC and confusions, standardised vectors."""
    table, folder = measured_recordings()
    if quick:
        table = table[table.speaker.isin(sorted(table.speaker.unique())[:QUICK_SPEAKERS])]
    wavs = [read_audio(folder / path, RATE)[0] for path in table.path]
    rows, emotions, confusions = [], [], {}
    for name, encode in encoders().items():
        raw = np.stack([encode(wav) for wav in wavs])
        scaled = (raw - raw.mean(0)) / np.maximum(raw.std(0), 1e-6)
        for scaling, vectors in (("raw", raw), ("standardised", scaled)):
            rows += [{"encoder": name, "scaling": scaling, **row} for row in measures(vectors, table, RESAMPLES)]
        found, confusions[name] = by_emotion(scaled, table)
        emotions += [{"encoder": name, **row} for row in found]
    speakers = table.speaker.nunique()
    return {
        "corpus": sorted(table.corpus.unique()),
        "recordings": len(table),
        "speakers": speakers,
        "sentences": table.sentence.nunique(),
        "emotions": sorted(table.emotion.unique()),
        "chance": {"triplet": CHANCE, "rank-1": identification_chance(table), "recall": 1 / table.emotion.nunique()},
        "rows": rows,
        "by emotion": emotions,
        "confusion": confusions,
    }


def measured_recordings() -> tuple[pd.DataFrame, Path]:
    """The measured rows of the table, and its folder."""
    folder = acted_folder(f"{TABLE}: path, speaker, emotion, sentence")
    return acted_table(folder), folder


def encoders() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Name -> (N,) to a vector: ours, its own input, and the baselines."""
    own = EmotionEncoder()
    egemaps = emotion_encoder(EncoderConfig(emotion="egemaps"))
    recogniser = Whisper("whisper-tiny.en")

    def pooled(wav: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return statistics(own.frozen, torch.from_numpy(trimmed(wav))[None], own.layers)[0].numpy()

    return {
        own.name: lambda wav: embed(own, wav, RATE),
        "egemaps": lambda wav: embed(egemaps, wav, RATE),
        "Whisper tiny.en, last layer, mean": lambda wav: recogniser.encode(wav, RATE).mean(0),
        "Whisper tiny.en, our layers without the head": pooled,
    }


def measures(vectors: np.ndarray, table: pd.DataFrame, resamples: int) -> list[dict]:
    """Triplet accuracies and the rank-1 identification rate, a row each, with intervals over speakers."""
    columns = {name: table[name].to_numpy(str) for name in ("speaker", "emotion", "sentence")}
    statistics: dict[str, Statistic] = {}
    for distractor, names in DISTRACTORS.items():

        def accuracy(chosen: np.ndarray, names: tuple[str, ...] = names) -> float:
            others = {name: columns[name][chosen] for name in names}
            return triplet_accuracy(vectors[chosen], columns["emotion"][chosen], others, recordings=chosen)

        statistics[f"triplets, distractor: {distractor}"] = Bounded(accuracy, 0, 1)
    statistics["rank-1 speaker"] = Share(nearest_is_same(vectors, columns["speaker"]))
    return [
        {"measure": name, "n": len(table), "reason": ""}
        | interval_columns(len(table), statistic, resamples, columns["speaker"])
        for name, statistic in statistics.items()
    ]


def identification_chance(table: pd.DataFrame) -> float:
    """The rate at which a random other recording is of the same speaker."""
    counts = table.speaker.value_counts().to_numpy()
    return float((counts * (counts - 1)).sum() / (len(table) * (len(table) - 1)))


def by_emotion(vectors: np.ndarray, table: pd.DataFrame) -> tuple[list[dict], dict]:
    """AUC and recall of each emotion by the nearest centroid of the other speakers, and the confusion matrix."""
    emotion, speaker = table.emotion.to_numpy(str), table.speaker.to_numpy(str)
    names, cosines = centroid_cosines(vectors, emotion, speaker)
    chosen = names[cosines.argmax(1)]
    # Above the other emotions' mean, so that a recording that is near to everything counts for none.
    margins = cosines - cosines.mean(1, keepdims=True)
    rows = []
    for column, name in enumerate(names):
        own = emotion == name

        def area(rows: np.ndarray, own: np.ndarray = own, margin: np.ndarray = margins[:, column]) -> float:
            return auc(margin[rows][own[rows]], margin[rows][~own[rows]])

        row = {"emotion": str(name), "n": int(own.sum()), "recall": float(np.mean(chosen[own] == name))}
        rows.append(row | interval_columns(len(table), Bounded(area, 0, 1), RESAMPLES, speaker, "AUC"))
    confusion = {str(a): {str(b): int(np.sum((emotion == a) & (chosen == b))) for b in names} for a in names}
    return rows, confusion
