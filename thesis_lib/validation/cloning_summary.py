"""Statistics of the cloning report: floor and ceiling of each encoder, means, error rates and correlations."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import COSINES, PERCENT, UNBOUNDED, OfRows, mean_of_present, summarise_groups
from thesis_lib.validation.metrics import Calibration
from thesis_lib.validation.metrics.intervals import ErrorRate
from thesis_lib.validation.scoring import Scorers

SEVERAL = ", several speakers"  # suffix of the test set of recordings with more than one speaker
HUMAN = "human, one speaker each"  # test set that pools all human recordings of one speaker each
RESAMPLES, SEED = 1000, 0
NO_TEXT = "no row has a text to compare with"
MIN_CORRELATED_SPEAKERS = 8  # of fewer, some draw of the bootstrap has only one


class Source:
    """A Spanish recording: its prosody, its embeddings, and those of its halves for the ceiling.

    ``several``: whether it has more than one speaker.
    """

    def __init__(self, wav: np.ndarray, speaker: str, scorers: Scorers, several: bool = False) -> None:
        self.speaker, self.recording, self.several = speaker, scorers.record(wav), several
        self.vectors = scorers.vectors(self.recording)
        self.halves = [scorers.vectors(scorers.record(half)) for half in np.array_split(wav, 2)]
        self.prosody = metrics.prosody(self.recording)


def calibrate_sources(
    sources: Sequence[Source], columns: Iterable[str]
) -> tuple[dict[str, Calibration], dict[str, str]]:
    """Encoder's column -> floor and ceiling on these recordings, and the reason for each without them.

    The floor is the cosine of two speakers, the ceiling that of the two halves of one recording. Recordings of several
    speakers are left out, as their halves may be of two.
    """
    single = [source for source in sources if not source.several]
    pairs = [(a.vectors, b.vectors) for a, b in combinations(single, 2) if a.speaker != b.speaker]
    halves = [source.halves for source in single]

    def cosines(column: str, vectors: Iterable[Sequence[dict[str, np.ndarray]]]) -> np.ndarray:
        return np.array([metrics.cosine(a[column], b[column]) for a, b in vectors])

    return metrics.calibrate((column, cosines(column, halves), cosines(column, pairs)) for column in columns)


def summarise_clones(table: pd.DataFrame, encoders: Iterable[str], corpus: str) -> pd.DataFrame:
    """Summarise each test set and system: means, WER (%), BLEU, TER (%), and correlations with the source.

    Columns: test_set, system, metric, value, low, high (95 % bootstrap over speakers, or over recordings of one
    speaker), n (the rows that have the metric), reason. The test set HUMAN pools everything except the run's ``corpus``
    and recordings of several speakers.
    """
    of_encoder = {"": COSINES, "_normalised": UNBOUNDED, "_percentile": PERCENT}
    means = {encoder + name: bounds for encoder in encoders for name, bounds in of_encoder.items()}
    means |= dict.fromkeys(("dnsmos_ovrl", "dnsmos_p808"), UNBOUNDED)
    human = ~table.test_set.isin([corpus, corpus + SEVERAL]) & ~table.test_set.str.endswith(SEVERAL)
    pooled = pd.concat([table, table[human].assign(test_set=HUMAN)])

    def statistics(rows: pd.DataFrame) -> dict[str, OfRows]:
        return _statistics(rows, means)

    summary = summarise_groups(pooled, ["test_set", "system"], statistics, ["speaker"], RESAMPLES, SEED)
    order = {name: number for number, name in enumerate(dict.fromkeys(pooled.test_set))}
    return summary.sort_values("test_set", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _statistics(table: pd.DataFrame, means: Mapping[str, tuple[float, float]]) -> dict[str, OfRows]:
    """metric -> a function of indices into the rows that have it, or the reason why there is none.

    ``means`` has the range of each column that is averaged.
    """
    present = {name: bounds for name, bounds in means.items() if name in table}
    found = {name: mean_of_present(table[name].to_numpy(float), bounds) for name, bounds in present.items()}
    if "words" in table:
        found["wer"] = _word_error_rate(table)
    transcribed = table.reference.fillna("").str.strip().ne("")
    for prefix, column in (("", "recognised"), ("translation_", "translation")):
        for score in ("bleu", "ter"):
            found[prefix + score] = _corpus_score(score, table, column, transcribed & table[column].notna())
    for name in metrics.PROSODY:
        source, output = (table[f"{side}_{name}"].to_numpy(float) for side in ("source", "output"))
        rows = np.flatnonzero(np.isfinite(source) & np.isfinite(output))
        if (count := table.speaker.iloc[rows].nunique()) < MIN_CORRELATED_SPEAKERS:
            reason = f"{count} speakers have it; a correlation needs {MIN_CORRELATED_SPEAKERS}"
            found[f"{name}_correlation"] = OfRows(rows, reason=reason)
        else:
            found[f"{name}_correlation"] = OfRows(rows, metrics.correlation_of(source[rows], output[rows]))
    return found


def _word_error_rate(table: pd.DataFrame) -> OfRows:
    rows = np.flatnonzero(table.words.notna())
    if not len(rows):
        return OfRows(rows, reason=NO_TEXT)
    errors, words = table.word_errors.to_numpy()[rows], table.words.to_numpy()[rows]
    return OfRows(rows, ErrorRate(lambda i: 100 * float(errors[i].sum() / words[i].sum())))


def _corpus_score(name: str, table: pd.DataFrame, column: str, has_texts: pd.Series) -> OfRows:
    rows = np.flatnonzero(has_texts)
    if not len(rows):
        return OfRows(rows, reason=NO_TEXT)
    part = table.iloc[rows]
    scorer = metrics.corpus_scorer(name.upper(), list(part[column]), list(part.reference))
    highest = metrics.HIGHEST_CORPUS_SCORE[name]
    return OfRows(rows, ErrorRate(scorer) if name == "ter" else metrics.Bounded(scorer, 0, highest))
