"""Statistics of the cloning report: floor and ceiling of each encoder, means, error rates and correlations."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import combinations
from typing import Protocol

import numpy as np
import pandas as pd

from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import summarise_groups
from thesis_lib.validation.metrics import Calibration

SEVERAL = ", several speakers"  # suffix of the test set of recordings with more than one speaker
HUMAN = "human, one speaker each"  # test set that pools all human recordings of one speaker each
RESAMPLES, SEED = 1000, 0
MIN_CORRELATED_SPEAKERS = 8  # of fewer, some draw of the bootstrap has only one


class Source(Protocol):
    """A Spanish recording that outputs are compared with."""

    speaker: str
    vectors: dict[str, np.ndarray]  # encoder's column -> embedding
    halves: list[dict[str, np.ndarray]]  # the same of each half


def calibrations(sources: Sequence[Source], columns: Iterable[str]) -> Iterator[tuple[str, Calibration]]:
    """Yield (encoder's column, its floor and ceiling on these recordings), where there are both.

    The floor is the cosine of two speakers, the ceiling that of the two halves of one recording.
    """
    for column in columns:
        same = [metrics.cosine(*(half[column] for half in source.halves)) for source in sources]
        different = [
            metrics.cosine(a.vectors[column], b.vectors[column])
            for a, b in combinations(sources, 2)
            if a.speaker != b.speaker
        ]
        with suppress(metrics.MetricError):
            yield column, Calibration(np.array(same), np.array(different))


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

    summary = summarise_groups(pooled, ["test_set", "system"], statistics, "speaker", RESAMPLES, SEED)
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
