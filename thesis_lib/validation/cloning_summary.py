"""Statistics of the cloning report: floor and ceiling of each encoder, means, error rates and correlations."""

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import summarise_groups
from thesis_lib.validation.metrics import Calibration
from thesis_lib.validation.scoring import Scorers

SEVERAL = ", several speakers"  # suffix of the test set of recordings with more than one speaker
HUMAN = "human, one speaker each"  # test set that pools all human recordings of one speaker each
RESAMPLES, SEED = 1000, 0
MIN_CORRELATED_SPEAKERS = 8  # of fewer, some draw of the bootstrap has only one


class Source:
    """A Spanish recording: its prosody, its embeddings, and those of its halves for the ceiling."""

    def __init__(self, wav: np.ndarray, speaker: str, scorers: Scorers) -> None:
        self.speaker, self.recording = speaker, scorers.record(wav)
        self.vectors = scorers.vectors(self.recording)
        self.halves = [scorers.vectors(scorers.record(half)) for half in np.array_split(wav, 2)]
        self.prosody = metrics.prosody(self.recording)


def calibrate_sources(
    sources: Sequence[Source], columns: Iterable[str]
) -> tuple[dict[str, Calibration], dict[str, str]]:
    """Encoder's column -> floor and ceiling on these recordings, and the reason for each without them.

    The floor is the cosine of two speakers, the ceiling that of the two halves of one recording.
    """
    pairs = [(a.vectors, b.vectors) for a, b in combinations(sources, 2) if a.speaker != b.speaker]
    halves = [source.halves for source in sources]

    def cosines(column: str, vectors: Iterable[Sequence[dict[str, np.ndarray]]]) -> np.ndarray:
        return np.array([metrics.cosine(a[column], b[column]) for a, b in vectors])

    return metrics.calibrate((column, cosines(column, halves), cosines(column, pairs)) for column in columns)


def summarise_clones(table: pd.DataFrame, encoders: Iterable[str], corpus: str | None = None) -> pd.DataFrame:
    """Summarise each test set and system: means, WER (%), BLEU, and correlations with the source.

    Columns: test_set, system, metric, value, low, high (95 % bootstrap over speakers, or over recordings of one
    speaker), n, reason. The test set HUMAN pools everything but the corpus (the first row's, unless it is named) and
    recordings of several speakers.
    """
    if corpus is None:
        corpus = table.test_set.iloc[0].removesuffix(SEVERAL)
    means = [c for e in encoders for c in (e, f"{e}_normalised", f"{e}_percentile")] + ["dnsmos_ovrl", "dnsmos_p808"]
    human = ~table.test_set.isin([corpus, corpus + SEVERAL]) & ~table.test_set.str.endswith(SEVERAL)
    pooled = pd.concat([table, table[human].assign(test_set=HUMAN)])

    def statistics(rows: pd.DataFrame) -> dict[str, metrics.Statistic]:
        return _statistics(rows, means)

    summary = summarise_groups(pooled, ["test_set", "system"], statistics, ["speaker"], RESAMPLES, SEED)
    order = {name: number for number, name in enumerate(dict.fromkeys(pooled.test_set))}
    return summary.sort_values("test_set", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _statistics(rows: pd.DataFrame, means: Iterable[str]) -> dict[str, metrics.Statistic]:
    """metric -> a function of indices into the rows; a metric that a row lacks is left out."""
    found = {
        name: metrics.mean_of(rows[name].to_numpy()) for name in means if name in rows and rows[name].notna().all()
    }
    if "words" in rows and rows.words.notna().all():
        errors, words = rows.word_errors.to_numpy(), rows.words.to_numpy()
        found["wer"] = lambda i: 100 * float(errors[i].sum() / words[i].sum())
    if rows.reference.str.strip().ne("").all():
        for name, column in (("bleu", "recognised"), ("translation_bleu", "translation")):
            found[name] = metrics.corpus_scorer("BLEU", list(rows[column]), list(rows.reference))
    if rows.speaker.nunique() >= MIN_CORRELATED_SPEAKERS:
        for name in metrics.PROSODY:
            source, output = (rows[f"{side}_{name}"].to_numpy() for side in ("source", "output"))
            if np.isfinite(source).all() and np.isfinite(output).all():
                found[f"{name}_correlation"] = metrics.correlation_of(source, output)
    return found
