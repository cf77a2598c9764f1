"""Calibration of cosines: normalised similarity between other speakers and the same speaker, and whitening."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from thesis_lib.validation.metrics.errors import MetricError
from thesis_lib.validation.metrics.statistics import equal_error_rate, labelled_cosines

Cosines = TypeVar("Cosines", float, np.ndarray)


def normalised_similarity(cosine: Any, floor: Any, ceiling: Any) -> Any:
    """Cosines scaled so that 0 is the floor and 1 the ceiling, not clipped: numbers, arrays or columns."""
    return (cosine - floor) / (ceiling - floor)


@dataclass(frozen=True)
class Calibration:
    """One encoder's cosines between recordings of one speaker, and of two.

    Raw cosines of different encoders cannot be compared; the normalised similarity (0 at ``floor``, 1 at ``ceiling``)
    can.
    """

    same: np.ndarray  # (n,) the ceiling's
    different: np.ndarray  # (m,) the floor's

    def __post_init__(self) -> None:
        if not len(self.same) or not len(self.different):
            raise MetricError("a calibration needs pairs of one speaker and of two")
        if not self.ceiling > self.floor:
            raise MetricError(
                f"one speaker's cosines ({self.ceiling:.3f}) do not exceed two speakers' ({self.floor:.3f})"
            )

    @classmethod
    def between(cls, sources: np.ndarray, targets: np.ndarray, speakers: np.ndarray) -> "Calibration":
        """Calibrate between embeddings of two languages: (n, D), (n, D) and their speakers (n,)."""
        return cls(*labelled_cosines(sources, targets, speakers))

    @property
    def floor(self) -> float:
        """Mean cosine between two speakers."""
        return float(np.mean(self.different))

    @property
    def ceiling(self) -> float:
        """Mean cosine of one speaker."""
        return float(np.mean(self.same))

    @property
    def equal_error_rate(self) -> float:
        """Equal error rate of the encoder on these pairs."""
        return equal_error_rate(self.same, self.different)

    def normalised(self, cosine: Cosines) -> Cosines:
        """Normalised similarity: 0 at the floor, 1 at the ceiling, not clipped."""
        return normalised_similarity(cosine, self.floor, self.ceiling)

    def percentile(self, cosine: float) -> float:
        """Percentage of one speaker's own pairs that lie below it."""
        return float(100 * np.mean(self.same < cosine))


def calibrate(
    cosines: Iterable[tuple[str, np.ndarray, np.ndarray]],
) -> tuple[dict[str, Calibration], dict[str, str]]:
    """(column, cosines of one speaker, of two) -> each column's calibration, and the reason for each without one."""
    found, reasons = {}, {}
    for column, same, different in cosines:
        try:
            found[column] = Calibration(same, different)
        except MetricError as error:
            reasons[column] = str(error)
    return found, reasons


@dataclass(frozen=True)
class Whitening:
    """x -> W (x - mean): every direction of the reference set has variance one.

    emotion2vec's raw cosines are above 0.93 even between emotions: what all recordings share hides the
    differences. The covariance is shrunk (Ledoit & Wolf 2004), for a few hundred recordings do not fill 768
    dimensions.
    """

    mean: np.ndarray  # (D,)
    matrix: np.ndarray  # (D, D)

    @classmethod
    def fit(cls, vectors: np.ndarray) -> "Whitening":
        """Fit to a reference set (n, D). MetricError for fewer than two rows."""
        from sklearn.covariance import LedoitWolf

        if len(vectors) < 2:
            raise MetricError(f"{len(vectors)} recordings cannot be whitened")
        # Each dimension to unit size first, as the shrinkage's target is a multiple of the identity.
        scale = np.maximum(vectors.std(0), 1e-6)
        covariance = LedoitWolf().fit((vectors - vectors.mean(0)) / scale).covariance_
        values, axes = np.linalg.eigh(covariance)
        matrix = (axes / np.sqrt(np.maximum(values, 1e-6))) @ axes.T / scale
        return cls(vectors.mean(0), matrix)

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(..., D) -> (..., D)."""
        return (vectors - self.mean) @ self.matrix.T
