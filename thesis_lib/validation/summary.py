"""Statistics of a validation: means with intervals, paired comparisons, agreement between encoders.

Utterances of one speaker are not independent: every interval draws whole speakers, and every test pairs speakers'
means.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from thesis_lib.config import ValidationConfig
from thesis_lib.validation import metrics
from thesis_lib.validation.columns import ALIGNED, PREDICTED, describe
from thesis_lib.validation.evaluation import ALL, interval
from thesis_lib.validation.evidence import Evidence
from thesis_lib.validation.metrics import PROSODY, Calibration, Statistic
from thesis_lib.validation.systems import GROUND_TRUTH, INVERSION, OURS, PUBLISHED

VOCODERS = (INVERSION, PUBLISHED, *OURS.values())
LEVEL = 0.05  # of significance, after Holm's correction
MIN_CORRELATED_UTTERANCES = 5  # for the correlation between source and output


def calibrations(evidence: Evidence) -> tuple[dict[str, Calibration], list[dict]]:
    """Encoder's column -> floor and ceiling between the languages, from the recordings; and what was not measured."""
    own = evidence.speakers[:, None] == evidence.speakers[None]
    every = {column: evidence.cosines(GROUND_TRUTH, column) for column in evidence.encoders}
    found, reasons = metrics.calibrate(
        (column, *(cosines[mask & np.isfinite(cosines)] for mask in (own, ~own))) for column, cosines in every.items()
    )
    about = {"id": ALL, "system": GROUND_TRUTH}
    return found, [about | {"metric": f"normalised_{column}", "reason": why} for column, why in reasons.items()]


def summarise(
    evidence: Evidence, known: dict[str, Calibration], config: ValidationConfig
) -> tuple[pd.DataFrame, list[dict]]:
    """Summarise each system and metric: value, low, high (95 %), n, speakers; and what was not measured."""
    rows, missing = [], []
    for system in evidence.systems:
        for metric, members, statistic in _statistics(evidence, system, known):
            chosen = partial(_of_these, statistic, members)
            groups = evidence.speakers[members]
            found = interval(len(members), chosen, config.resamples, config.seed, groups)
            if reason := found.pop("reason"):
                missing.append({"id": ALL, "system": system, "metric": metric, "reason": reason})
                continue
            rows.append({"system": system, "metric": metric} | found | {"speakers": len(set(groups))})
    # Signal metrics first, then predicted opinion and words.
    table = pd.DataFrame(rows)
    order = {name: place for place, name in enumerate([*ALIGNED, *PREDICTED])}
    places = table.metric.map(order).fillna(len(order)) if len(table) else []
    return table.assign(place=places).sort_values("place", kind="stable").drop(columns="place"), missing


def _statistics(
    evidence: Evidence, system: str, known: dict[str, Calibration]
) -> Iterator[tuple[str, np.ndarray, Statistic]]:
    """Yield (metric, utterances that have it, statistic of some of those)."""

    def mean(name: str, values: np.ndarray) -> Iterator[tuple[str, np.ndarray, Statistic]]:
        members = np.flatnonzero(np.isfinite(values))
        if len(members):
            yield name, members, metrics.mean_of(values)

    for name in (*ALIGNED, *PREDICTED):
        yield from mean(name, evidence.values(system, name).astype(float))
    yield from _words(evidence, system)
    for column in evidence.encoders:
        cosines = evidence.cosines(system, column)
        own = np.diagonal(cosines)
        yield from mean(column, own)
        if column == "style":
            members = np.flatnonzero(np.isfinite(own))
            if len(members):
                yield "style_auc", members, partial(_style_auc, cosines, evidence=evidence)
            continue
        if column in known:
            yield from mean(f"normalised_{column}", 100 * known[column].normalised(own))
            percentiles = [known[column].percentile(x) if np.isfinite(x) else np.nan for x in own]
            yield from mean(f"percentile_{column}", np.array(percentiles))
        members = np.flatnonzero(np.isfinite(own))
        if len(members):
            yield f"eer_{column}", members, partial(_verification_error, cosines, evidence=evidence)
    for name in PROSODY:
        output, source = (evidence.values(system, f"{who}_{name}").astype(float) for who in ("output", "source"))
        members = np.flatnonzero(np.isfinite(output) & np.isfinite(source))
        if len(members) >= MIN_CORRELATED_UTTERANCES:
            yield f"follows_{name}", members, metrics.correlation_of(output, source)


def _words(evidence: Evidence, system: str) -> Iterator[tuple[str, np.ndarray, Statistic]]:
    recognised, target = evidence.values(system, "recognised"), evidence.values(system, "target_text")
    members = np.flatnonzero([isinstance(text, str) for text in recognised])
    if not len(members):
        return
    for name, errors, units in (("wer", "word_errors", "words"), ("cer", "character_errors", "characters")):
        wrong, count = (evidence.values(system, x) for x in (errors, units))
        yield name, members, partial(_percentage, wrong, count)
    place = {int(member): number for number, member in enumerate(members)}
    for name in ("bleu", "chrf"):
        scorer = metrics.corpus_scorer(name.upper(), list(recognised[members]), list(target[members]))
        yield name, members, partial(_at_places, scorer, place)


def _of_these(statistic: Statistic, members: np.ndarray, i: np.ndarray) -> float:
    return statistic(members[i])


def _percentage(wrong: np.ndarray, count: np.ndarray, i: np.ndarray) -> float:
    return float(100 * wrong[i].sum() / count[i].sum())


def _at_places(scorer: Callable[[Iterable[int]], float], place: dict[int, int], i: np.ndarray) -> float:
    return scorer(place[int(member)] for member in i)


def _verification_error(cosines: np.ndarray, i: np.ndarray, evidence: Evidence) -> float:
    other = evidence.speakers[i][:, None] != evidence.speakers[i][None]
    return 100 * metrics.equal_error_rate(cosines[i, i], cosines[np.ix_(i, i)][other])


def _style_auc(cosines: np.ndarray, i: np.ndarray, evidence: Evidence) -> float:
    other = evidence.speakers[i][:, None] != evidence.speakers[i][None]
    alike = evidence.styles[i][:, None] == evidence.styles[i][None]
    drawn = cosines[np.ix_(i, i)]
    return metrics.auc(drawn[other & alike], drawn[other & ~alike])


def comparisons(evidence: Evidence, config: ValidationConfig) -> pd.DataFrame:
    """Compare every two vocoders, and each with the recording, in every metric, paired by speaker.

    Columns: metric, first, second, difference of means with its 95 % interval, p (Wilcoxon's signed ranks over
    speakers' means), p_holm (corrected for all rows of this table), effect (rank-biserial), significant, n.
    """
    rows = []
    compared = [system for system in (GROUND_TRUTH, *VOCODERS) if system in evidence.systems]
    for second, first in combinations(compared, 2):
        for metric in (*ALIGNED, *PREDICTED, *evidence.encoders):
            a, b = (single(evidence, system, metric) for system in (first, second))
            both = np.isfinite(a) & np.isfinite(b)
            if len(set(evidence.speakers[both])) > 1:
                about = {"metric": metric, "first": first, "second": second}
                rows.append(about | _compare(a, b, both, evidence, config))
    table = pd.DataFrame(rows)
    if len(table):
        table.insert(7, "p_holm", metrics.holm(table.p.to_numpy()))
        table["significant"] = table.p_holm < LEVEL
    return table


def leaders(comparisons: pd.DataFrame) -> set[tuple[str, str]]:
    """(system, metric) of every vocoder that is significantly better than each other vocoder in that metric."""
    found = set()
    among = comparisons[comparisons["first"].isin(VOCODERS) & comparisons["second"].isin(VOCODERS)]
    for metric, part in among.groupby("metric", sort=False):
        sign = 1 if describe(metric).better == "higher" else -1
        for system in set(part["first"]) | set(part["second"]):
            own = part[(part["first"] == system) | (part["second"] == system)]
            gains = sign * np.where(own["first"] == system, own.difference, -own.difference)
            if own.significant.all() and (gains > 0).all():
                found.add((system, metric))
    return found


def single(evidence: Evidence, system: str, metric: str) -> np.ndarray:
    """(n,) one metric of one system, a value an utterance; NaN where it is missing."""
    if metric in evidence.encoders:
        return np.diagonal(evidence.cosines(system, metric))
    return evidence.values(system, metric).astype(float)


def _compare(a: np.ndarray, b: np.ndarray, both: np.ndarray, evidence: Evidence, config: ValidationConfig) -> dict:
    members, speakers = np.flatnonzero(both), evidence.speakers[both]
    difference = (a - b)[members]
    found = interval(len(members), metrics.mean_of(difference), config.resamples, config.seed, speakers)
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


def agreements(evidence: Evidence, config: ValidationConfig) -> tuple[pd.DataFrame, list[dict]]:
    """Kendall's tau of every two speaker encoders over all outputs, and what was not measured.

    Columns: first, second, tau, low, high, n.
    """
    rows, missing = [], []
    for first, second in combinations([column for column in evidence.encoders if column != "style"], 2):
        scores = [np.stack([single(evidence, s, c) for s in evidence.systems], axis=1) for c in (first, second)]

        def tau(i: np.ndarray, scores: list[np.ndarray] = scores) -> float:
            a, b = (score[i].ravel() for score in scores)
            both = np.isfinite(a) & np.isfinite(b)
            return metrics.agreement(a[both], b[both])

        found = interval(len(evidence.measured), tau, config.resamples, config.seed, evidence.speakers)
        if reason := found["reason"]:
            metric = f"agreement of {first} and {second}"
            missing.append({"id": ALL, "system": ALL, "metric": metric, "reason": reason})
            continue
        cells = int(np.isfinite(scores[0] + scores[1]).sum())
        rows.append(found | {"first": first, "second": second, "tau": found["value"], "n": cells})
    return pd.DataFrame(rows, columns=["first", "second", "tau", "low", "high", "n"]), missing
