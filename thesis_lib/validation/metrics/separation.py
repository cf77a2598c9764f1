"""Separation: how well an embedding distinguishes pairs with equal labels (speaker, style) from other pairs."""

from collections.abc import Callable, Iterable

import numpy as np

from thesis_lib.embeddings.triplets import correct_triplets
from thesis_lib.validation.metrics.errors import MetricError
from thesis_lib.validation.metrics.intervals import Bounded, ErrorRate, bootstrap
from thesis_lib.validation.metrics.statistics import (
    auc,
    equal_error_rate,
    labelled_cosines,
    paired_cosines,
)


def paired_triplet_accuracy(a: np.ndarray, b: np.ndarray, labels: np.ndarray, apart: np.ndarray | None = None) -> float:
    """Share of triplets in which a row of a is nearer to a row of b with its label than to one with another label.

    0.5 is chance. Unlike the AUC it compares only what one recording is compared with. Arguments as for
    ``paired_cosines``. MetricError where no recording has both.
    """
    cosines, same, counted = paired_cosines(a, b, labels, apart)
    correct = triplets = 0.0
    for row, own, counts in zip(cosines, same, counted, strict=True):
        positive, negative = row[own & counts], row[~own & counts]
        correct += correct_triplets(positive, negative)
        triplets += len(positive) * len(negative)
    if not triplets:
        raise MetricError("triplets need recordings of one label and of two")
    return correct / triplets


def _mean(cosines: np.ndarray) -> float:
    if not len(cosines):
        raise MetricError("there are no such pairs")
    return float(np.mean(cosines))


MEASURES: dict[str, Callable[..., float]] = {
    "AUC": lambda *pairs: auc(*labelled_cosines(*pairs)),
    "EER": lambda *pairs: equal_error_rate(*labelled_cosines(*pairs)),
    "triplet accuracy": paired_triplet_accuracy,
    "one label": lambda *pairs: _mean(labelled_cosines(*pairs)[0]),  # mean cosine: the ceiling
    "two labels": lambda *pairs: _mean(labelled_cosines(*pairs)[1]),  # and the floor
}
COSINES = ("one label", "two labels")  # measures from -1 to 1; the others are from 0 to 1


def separation(
    measure: str,
    a: np.ndarray,
    b: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    apart: np.ndarray | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> tuple[float, float, float]:
    """(value, low, high) of one of ``MEASURES`` over pairs of a (n, D) and b (n, D), with its 95 % interval.

    The interval draws whole ``groups`` (n,), speakers as a rule, and takes the pairs among those that were drawn.
    MetricError where the recordings, or many of the draws, have no pairs of both kinds.
    """

    def statistic(rows: np.ndarray) -> float:
        return MEASURES[measure](a[rows], b[rows], labels[rows], None if apart is None else apart[rows])

    least = -1 if measure in COSINES else 0
    bounded = ErrorRate(statistic, high=1, scale=1) if measure == "EER" else Bounded(statistic, least, 1)
    return bootstrap(len(labels), bounded, resamples, seed, groups)


def separations(
    a: np.ndarray,
    b: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    apart: np.ndarray | None = None,
    measures: Iterable[str] = tuple(MEASURES),
) -> list[dict[str, object]]:
    """``separation`` by several measures: a row each, {measure, value, low, high, reason}.

    A measure without a value, as where no label has two recordings, is NaN with the reason; otherwise that is "".
    """
    rows = []
    for measure in measures:
        try:
            value, low, high = separation(measure, a, b, labels, groups, apart)
            rows.append({"measure": measure, "value": value, "low": low, "high": high, "reason": ""})
        except MetricError as error:
            nothing = dict.fromkeys(("value", "low", "high"), np.nan)
            rows.append({"measure": measure, **nothing, "reason": str(error)})
    return rows
