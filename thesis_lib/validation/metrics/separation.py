"""How well an embedding tells pairs of one label, a speaker or a style, from pairs of two."""

from collections.abc import Callable, Iterable

import numpy as np

from thesis_lib.validation.metrics.errors import MetricError
from thesis_lib.validation.metrics.statistics import (
    auc,
    bootstrap,
    equal_error_rate,
    labelled_cosines,
    paired_cosines,
)


def triplet_accuracy(a: np.ndarray, b: np.ndarray, labels: np.ndarray, apart: np.ndarray | None = None) -> float:
    """How often one of a is nearer to one of its label than to one of another label, both of b: over all triplets.

    0.5 is chance. Unlike the AUC it compares only what one recording is compared with. Arguments as for
    ``paired_cosines``. MetricError where no recording has both.
    """
    cosines, same, counted = paired_cosines(a, b, labels, apart)
    won = triplets = 0.0
    for row, own, counts in zip(cosines, same, counted, strict=True):
        positive, negative = row[own & counts], np.sort(row[~own & counts])
        won += sum(np.searchsorted(negative, positive, side=side).sum() / 2 for side in ("left", "right"))
        triplets += len(positive) * len(negative)
    if not triplets:
        raise MetricError("triplets need recordings of one label and of two")
    return float(won / triplets)


def _mean(cosines: np.ndarray) -> float:
    if not len(cosines):
        raise MetricError("there are no such pairs")
    return float(np.mean(cosines))


MEASURES: dict[str, Callable[..., float]] = {
    "AUC": lambda *pairs: auc(*labelled_cosines(*pairs)),
    "EER": lambda *pairs: equal_error_rate(*labelled_cosines(*pairs)),
    "triplet accuracy": triplet_accuracy,
    "one label": lambda *pairs: _mean(labelled_cosines(*pairs)[0]),  # mean cosine: the ceiling
    "two labels": lambda *pairs: _mean(labelled_cosines(*pairs)[1]),  # and the floor
}


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
    MetricError where a draw has no pairs of both kinds.
    """

    def statistic(rows: np.ndarray) -> float:
        return MEASURES[measure](a[rows], b[rows], labels[rows], None if apart is None else apart[rows])

    return bootstrap(len(labels), statistic, resamples, seed, groups)


def separations(
    a: np.ndarray,
    b: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray,
    apart: np.ndarray | None = None,
    measures: Iterable[str] = tuple(MEASURES),
) -> list[dict[str, object]]:
    """``separation`` by several measures: a row each, {measure, value, low, high, reason}.

    What cannot be measured, where no label has two recordings, say, is NaN and has the reason; else that is "".
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
