"""Statistics of a validation: means with intervals, paired comparisons, agreement between encoders.

Utterances of one speaker are not independent: every interval draws whole speakers. The summary averages utterances;
comparisons, with their intervals and tests, are of speakers' means.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from thesis_lib.config import ValidationConfig
from thesis_lib.validation import metrics
from thesis_lib.validation.columns import ALIGNED, PREDICTED, describe
from thesis_lib.validation.evaluation import ALL, COSINES, PERCENT, UNBOUNDED, interval
from thesis_lib.validation.measurements import Measurements
from thesis_lib.validation.metrics import PROSODY, Calibration, Statistic
from thesis_lib.validation.metrics.intervals import ErrorRate
from thesis_lib.validation.systems import GROUND_TRUTH, INVERSION, OURS, PUBLISHED

COMPARED = (GROUND_TRUTH, INVERSION, PUBLISHED, *OURS.values())  # the recording and the vocoders
SIGNIFICANCE_LEVEL = 0.05  # after Holm's correction
MIN_CORRELATED_UTTERANCES = 5  # for the correlation between source and output
# Ranges by definition: distances and an RMSE, a mean of correlations, an F1 score, an RMSE of values within 0..1. PESQ
# and predicted opinions are models' outputs, which nothing here confines.
RANGES = dict.fromkeys(("mel_l1", "stft", "mcd", "mcd_dtw", "f0_cents"), (0.0, np.inf)) | {
    "stoi": (-1.0, 1.0),
    "voicing_f1": (0.0, 1.0),
    "periodicity": (0.0, 1.0),
}
NOT_MEASURED = "not measured"
FEW_SPEAKERS = "measured for fewer than two speakers"
SUMMARY = ["system", "metric", "value", "low", "high", "n", "speakers"]
COMPARISONS = [
    "metric", "first", "second", "difference", "low", "high", "p", "p_holm", "effect", "n", "speakers", "significant",
]  # fmt: skip


def calibrations(measurements: Measurements) -> tuple[dict[str, Calibration], list[dict]]:
    """Encoder's column -> floor and ceiling between the languages, from the recordings; and what was not measured."""
    own = measurements.speakers[:, None] == measurements.speakers[None]
    every = {column: measurements.cosines(GROUND_TRUTH, column) for column in measurements.encoders}
    found, reasons = metrics.calibrate(
        (column, *(cosines[mask & np.isfinite(cosines)] for mask in (own, ~own))) for column, cosines in every.items()
    )
    about = {"id": ALL, "system": GROUND_TRUTH}
    return found, [about | {"metric": f"normalised_{column}", "reason": why} for column, why in reasons.items()]


def summarise(
    measurements: Measurements, known: dict[str, Calibration], config: ValidationConfig
) -> tuple[pd.DataFrame, list[dict]]:
    """Summarise each system and metric: value, low, high (95 %), n, speakers; and what was not measured."""
    rows, missing = [], []
    for system in measurements.systems:
        for metric, members, statistic in _statistics(measurements, system, known):
            chosen = metrics.bounded_as(partial(_of_these, statistic, members), statistic)
            groups = measurements.speakers[members]
            found = interval(len(members), chosen, config.resamples, config.seed, groups)
            if reason := found.pop("reason"):
                missing.append({"id": ALL, "system": system, "metric": metric, "reason": reason})
                continue
            rows.append({"system": system, "metric": metric} | found | {"speakers": len(set(groups))})
    # Signal metrics first, then predicted opinion and words.
    table = pd.DataFrame(rows, columns=SUMMARY)
    order = {name: place for place, name in enumerate([*ALIGNED, *PREDICTED])}
    places = table.metric.map(order).fillna(len(order))
    return table.assign(place=places).sort_values("place", kind="stable").drop(columns="place"), missing


def _statistics(
    measurements: Measurements, system: str, known: dict[str, Calibration]
) -> Iterator[tuple[str, np.ndarray, Statistic]]:
    """Yield (metric, utterances that have it, statistic of some of those)."""

    def mean(
        name: str, values: np.ndarray, bounds: tuple[float, float] = UNBOUNDED
    ) -> Iterator[tuple[str, np.ndarray, Statistic]]:
        members = np.flatnonzero(np.isfinite(values))
        if len(members):
            yield name, members, metrics.Bounded(metrics.mean_of(values), *bounds)

    for name in (*ALIGNED, *PREDICTED):
        yield from mean(name, measurements.values(system, name).astype(float), RANGES.get(name, UNBOUNDED))
    yield from _words(measurements, system)
    for column in measurements.encoders:
        cosines = measurements.cosines(system, column)
        own = np.diagonal(cosines)
        yield from mean(column, own, COSINES)
        if column == "style":
            members = np.flatnonzero(np.isfinite(own))
            if len(members):
                separation = partial(_style_auc, cosines, measurements=measurements)
                yield "style_auc", members, metrics.Bounded(separation, 0, 1)
            continue
        if column in known:
            yield from mean(f"normalised_{column}", 100 * known[column].normalised(own))
            percentiles = [known[column].percentile(x) if np.isfinite(x) else np.nan for x in own]
            yield from mean(f"percentile_{column}", np.array(percentiles), PERCENT)
        members = np.flatnonzero(np.isfinite(own))
        if len(members):
            error = partial(_verification_error, cosines, measurements=measurements)
            yield f"eer_{column}", members, ErrorRate(error, high=100)
    for name in PROSODY:
        output, source = (measurements.values(system, f"{who}_{name}").astype(float) for who in ("output", "source"))
        members = np.flatnonzero(np.isfinite(output) & np.isfinite(source))
        if len(members) >= MIN_CORRELATED_UTTERANCES:
            yield f"follows_{name}", members, metrics.correlation_of(output, source)


def _words(measurements: Measurements, system: str) -> Iterator[tuple[str, np.ndarray, Statistic]]:
    recognised, target = measurements.values(system, "recognised"), measurements.values(system, "target_text")
    members = np.flatnonzero([isinstance(text, str) for text in recognised])
    if not len(members):
        return
    for name, errors, units in (("wer", "word_errors", "words"), ("cer", "character_errors", "characters")):
        wrong, count = (measurements.values(system, x) for x in (errors, units))
        yield name, members, ErrorRate(partial(_percentage, wrong, count))
    place = {int(member): number for number, member in enumerate(members)}
    for name, highest in metrics.HIGHEST_CORPUS_SCORE.items():
        scorer = metrics.corpus_scorer(name.upper(), list(recognised[members]), list(target[members]))
        score = partial(_at_places, scorer, place)
        yield name, members, ErrorRate(score) if name == "ter" else metrics.Bounded(score, 0, highest)


def _of_these(statistic: Statistic, members: np.ndarray, i: np.ndarray) -> float:
    return statistic(members[i])


def _percentage(wrong: np.ndarray, count: np.ndarray, i: np.ndarray) -> float:
    return float(100 * wrong[i].sum() / count[i].sum())


def _at_places(scorer: Callable[[Iterable[int]], float], place: dict[int, int], i: np.ndarray) -> float:
    return scorer(place[int(member)] for member in i)


def _verification_error(cosines: np.ndarray, i: np.ndarray, measurements: Measurements) -> float:
    other = measurements.speakers[i][:, None] != measurements.speakers[i][None]
    return 100 * metrics.equal_error_rate(cosines[i, i], cosines[np.ix_(i, i)][other])


def _style_auc(cosines: np.ndarray, i: np.ndarray, measurements: Measurements) -> float:
    other = measurements.speakers[i][:, None] != measurements.speakers[i][None]
    alike = measurements.styles[i][:, None] == measurements.styles[i][None]
    drawn = cosines[np.ix_(i, i)]
    return metrics.auc(drawn[other & alike], drawn[other & ~alike])


def comparisons(measurements: Measurements, config: ValidationConfig) -> tuple[pd.DataFrame, list[dict]]:
    """Compare every two vocoders, and each with the recording, in every metric, paired by speaker.

    Each speaker counts the same, in the difference as in the test. Columns: metric, first, second, difference of the
    means of speakers' means with its 95 % interval, p (Wilcoxon's signed ranks over speakers' means) and p_holm (Holm's
    correction) of the configured hypotheses alone, effect (rank-biserial), n, speakers, significant. Also returned: the
    hypotheses that were not tested, with the reason.
    """
    rows, few = [], {}
    compared = [system for system in COMPARED if system in measurements.systems]
    for second, first in combinations(compared, 2):
        for metric in (*ALIGNED, *PREDICTED, *measurements.encoders):
            a, b = (single(measurements, system, metric) for system in (first, second))
            both = np.isfinite(a) & np.isfinite(b)
            if len(set(measurements.speakers[both])) > 1:
                about = {"metric": metric, "first": first, "second": second}
                rows.append(about | _compare(a, b, both, measurements, config))
            elif both.any():
                few[frozenset((metric, first, second))] = FEW_SPEAKERS
    table = pd.DataFrame(rows, columns=COMPARISONS)
    named = {frozenset(hypothesis) for hypothesis in config.hypotheses}
    names = [frozenset(row) for row in table[["metric", "first", "second"]].itertuples(index=False)]
    correct_hypotheses(table, np.array([name in named for name in names], bool))
    untested = []
    for metric, first, second in config.hypotheses:
        if (key := frozenset((metric, first, second))) not in names:
            reason = f"hypothesis: not compared with {second}: {few.get(key, NOT_MEASURED)}"
            untested.append({"id": ALL, "system": first, "metric": metric, "reason": reason})
    return table, untested


def correct_hypotheses(table: pd.DataFrame, tested: np.ndarray) -> None:
    """Keep ``p`` where ``tested`` (rows,), add ``p_holm``, Holm's correction for their number, and ``significant``."""
    tested = tested & np.isfinite(table.p.to_numpy(float))
    corrected = np.full(len(table), np.nan)
    if tested.any():
        corrected[tested] = metrics.holm(table.p[tested].to_numpy())
    table["p"] = table.p.astype(float).where(tested)
    table["p_holm"], table["significant"] = corrected, corrected < SIGNIFICANCE_LEVEL


def winners(comparisons: pd.DataFrame) -> set[tuple[str, str]]:
    """(system, metric) of the better side of each hypothesis that is significant.

    The side is that of the test's effect; where the difference of the means has the other sign, neither is better.
    """
    found = set()
    for row in comparisons[comparisons.significant.astype(bool)].to_dict("records"):
        sign = np.sign(row["effect"]) if np.sign(row["effect"]) == np.sign(row["difference"]) else 0
        better = sign if describe(row["metric"]).better == "higher" else -sign
        if better:
            found.add((row["first"] if better > 0 else row["second"], row["metric"]))
    return found


def single(measurements: Measurements, system: str, metric: str) -> np.ndarray:
    """(n,) one metric of one system, a value for each utterance; NaN where it is missing."""
    if metric in measurements.encoders:
        return np.diagonal(measurements.cosines(system, metric))
    return measurements.values(system, metric).astype(float)


def _compare(
    a: np.ndarray, b: np.ndarray, both: np.ndarray, measurements: Measurements, config: ValidationConfig
) -> dict:
    members, speakers = np.flatnonzero(both), measurements.speakers[both]
    difference = (a - b)[members]
    mean = metrics.mean_of(difference, speakers)
    found = interval(len(members), mean, config.resamples, config.seed, speakers)
    means = pd.DataFrame({"a": a[members], "b": b[members]}).groupby(speakers).mean()
    p, effect = metrics.paired_test(means.a.to_numpy(), means.b.to_numpy())
    return {
        "difference": found["value"],
        "low": found["low"],
        "high": found["high"],
        "p": p,
        "effect": effect,
        "n": len(members),
        "speakers": len(means),
    }


def agreements(measurements: Measurements, config: ValidationConfig) -> tuple[pd.DataFrame, list[dict]]:
    """Kendall's tau of every two speaker encoders over all outputs, and what was not measured.

    Columns: first, second, tau, low, high, n.
    """
    rows, missing = [], []
    for first, second in combinations([column for column in measurements.encoders if column != "style"], 2):
        scores = [np.stack([single(measurements, s, c) for s in measurements.systems], axis=1) for c in (first, second)]

        def tau(i: np.ndarray, scores: list[np.ndarray] = scores) -> float:
            a, b = (score[i].ravel() for score in scores)
            both = np.isfinite(a) & np.isfinite(b)
            return metrics.agreement(a[both], b[both])

        bounded = metrics.Bounded(tau, -1, 1)
        found = interval(len(measurements.measured), bounded, config.resamples, config.seed, measurements.speakers)
        if reason := found["reason"]:
            metric = f"agreement of {first} and {second}"
            missing.append({"id": ALL, "system": ALL, "metric": metric, "reason": reason})
            continue
        cells = int(np.isfinite(scores[0] + scores[1]).sum())
        rows.append(found | {"first": first, "second": second, "tau": found["value"], "n": cells})
    return pd.DataFrame(rows, columns=["first", "second", "tau", "low", "high", "n"]), missing
