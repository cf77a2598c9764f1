"""Statistics of systems on acted recordings: recall of the emotion, correlation with the source's prosody, WER, means.

Each is a statistic of rows, so that a bootstrap over the speakers, or over the texts, gives its interval.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from benchmarks.json_rows import interval_columns
from benchmarks.quality import error_rate
from thesis_lib.utils.errors import MetricError
from thesis_lib.validation.metrics import Bounded, Statistic

SOURCE, RESYNTHESIS, FLAT, TTS, OURS = "source", "own words", "own words, flat", "TTS", "ours"
MOVED, MEAN_EMOTION = "TTS, source's F0 median and loudness", "ours, mean emotion embedding"
WITHOUT_TEXT = (SOURCE, RESYNTHESIS, FLAT)
PROBES = {"recall": "probe", "recall, eGeMAPS": "functionals"}  # name -> column
PROBE_INVERSE_PENALTY = 0.01
WORD_ERROR_RATE = "WER"
RESAMPLES = 1000
SAME_IN_ALL_DRAWS = "the difference is the same in all draws, so the bootstrap gives no interval"


def statistic_rows(system: str, found: pd.DataFrame, every: pd.DataFrame) -> list[dict]:
    """A row each statistic of one system, as ``statistics_of``."""
    return interval_rows(statistics_of(system, found, every, prosody_names(found)), found, {"system": system})


def interval_rows(statistics: Mapping[str, Statistic], found: pd.DataFrame, about: dict) -> list[dict]:
    """A row each statistic of the recordings ``found``: its value, interval (bootstrap over speakers) and n.

    The interval of the WER is over the texts: a speaker has one text, and several speakers have the same.
    A statistic without an interval has None for all three, and the reason.
    """
    rows = []
    for name, statistic in statistics.items():
        groups = found["text" if name == WORD_ERROR_RATE else "speaker"].to_numpy(str)
        row = {"statistic": name, "n": len(found)} | interval_columns(len(found), statistic, RESAMPLES, groups)
        rows.append(about | row)
    return rows


def statistics_of(
    system: str, found: pd.DataFrame, every: pd.DataFrame, correlated: Sequence[str]
) -> dict[str, Statistic]:
    """Name -> statistic of a system's rows; ``correlated`` columns are correlated with the source's in ``every``.

    The WER is among them where words were counted.
    """
    source = every[every.system == SOURCE]
    statistics: dict[str, Statistic] = {
        name: Bounded(recall(source, found, column), 0, 1) for name, column in PROBES.items()
    }
    if system != SOURCE:
        for name in correlated:
            pair = (_centred(side, name) for side in (source, found))
            statistics[f"correlation, {name}"] = Bounded(correlation_of_rows(*pair), -1, 1)
    if system not in WITHOUT_TEXT and "errors" in found:
        statistics[WORD_ERROR_RATE] = error_rate(found[["errors", "words"]].to_numpy())
    for name in ("DNSMOS", *(column for column in found if column.startswith("cosine, "))):
        values = found[name].to_numpy()
        if np.isfinite(values).all():
            statistics[name] = lambda rows, values=values: float(values[rows].mean())
    return statistics


def comparison(measured: pd.DataFrame, compared: Iterable[str], against: str, correlated: Sequence[str]) -> dict:
    """The statistics of every system, and the paired differences of the ``compared`` ones to ``against``.

    The rows of every system in ``measured`` are of the same recordings.
    """
    statistics = {
        system: statistics_of(system, found, measured, correlated)
        for system, found in measured.groupby("system", sort=False)
    }
    one = measured[measured.system == SOURCE]
    return {
        "recordings": len(one),
        "speakers": int(one.speaker.nunique()),
        "emotions": sorted(one.emotion.unique()),
        "chance": {"recall": 1 / one.emotion.nunique(), "correlation": 0.0},
        "rows": [row for name, found in statistics.items() for row in interval_rows(found, one, {"system": name})],
        "differences": paired_differences({name: statistics[name] for name in compared}, against, one),
    }


def paired_differences(
    statistics: Mapping[str, Mapping[str, Statistic]], against: str, one: pd.DataFrame
) -> list[dict]:
    """A row each statistic of each other system: its value minus that of ``against``, with its interval.

    Both values are of the same recordings in each draw: the rows of every system are the recordings of ``one``. Where
    the difference is the same in all draws, as between equal hits, the bootstrap has no width: no interval, a reason.
    """
    rows = []
    for system in (system for system in statistics if system != against):
        paired = {
            name: _minus(statistics[system][name], other)
            for name, other in statistics[against].items()
            if name in statistics[system]
        }
        rows += interval_rows(paired, one, {"system": system, "against": against})
    for row in (row for row in rows if row["low"] is not None and row["low"] == row["high"]):
        row |= {"low": None, "high": None, "reason": SAME_IN_ALL_DRAWS}
    return rows


def _minus(a: Statistic, b: Statistic) -> Statistic:
    return lambda rows: a(rows) - b(rows)


def prosody_names(found: pd.DataFrame) -> list[str]:
    """The columns that hold prosodic statistics."""
    first, last = found.columns.get_loc("f0_median"), found.columns.get_loc("jitter")
    return list(found.columns[first : last + 1])


def _centred(side: pd.DataFrame, name: str) -> np.ndarray:
    """A statistic's distance from its speaker's mean."""
    return (side[name] - side.groupby("speaker")[name].transform("mean")).to_numpy()


def correlation_of_rows(a: np.ndarray, b: np.ndarray):
    """The statistic "Pearson correlation" of some of the rows. MetricError where one side is constant."""

    def statistic(rows: np.ndarray) -> float:
        if min(a[rows].std(), b[rows].std()) == 0:
            raise MetricError("a constant has no correlation")
        return float(np.corrcoef(a[rows], b[rows])[0, 1])

    return statistic


def recall(source: pd.DataFrame, found: pd.DataFrame, column: str):
    """The statistic "unweighted average recall" of the probe that has a column as its input."""
    emotions, speakers = source.emotion.to_numpy(str), source.speaker.to_numpy(str)
    natural, given = (_standardised(side, column) for side in (source, found))
    chosen = np.empty(len(found), object)
    for speaker in np.unique(speakers):
        others = speakers != speaker
        probe = LogisticRegression(C=PROBE_INVERSE_PENALTY, max_iter=1000, class_weight="balanced")
        chosen[~others] = probe.fit(natural[others], emotions[others]).predict(given[~others])
    hits = chosen == emotions

    def statistic(rows: np.ndarray) -> float:
        return float(np.mean([hits[rows][emotions[rows] == name].mean() for name in np.unique(emotions[rows])]))

    return statistic


def _standardised(side: pd.DataFrame, column: str) -> np.ndarray:
    """A probe's inputs (n, D), with mean 0 and standard deviation 1 for each speaker."""
    vectors, speakers = np.stack(side[column].to_numpy()), side.speaker.to_numpy(str)
    for speaker in np.unique(speakers):
        own = speakers == speaker
        vectors[own] = (vectors[own] - vectors[own].mean(0)) / np.maximum(vectors[own].std(0), 1e-6)
    return vectors
