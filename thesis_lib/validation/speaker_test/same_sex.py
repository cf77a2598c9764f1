"""Impostors by sex: chance levels of each kind of pair, and thresholds from impostors of the target's sex.

Most impostors of the other sex are easy to reject, so a threshold from impostors of both sexes accepts those of the
target's sex too often. A system that reproduces no more than the target's sex is such an impostor.
"""

import functools
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd

from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import Columns, OfRows
from thesis_lib.validation.swap import ACCEPTED, SpeakerScorer, SwapSpeaker
from thesis_lib.validation.swap.scorer import acceptance, accepted, thresholds

FEMALE, MALE = "f", "m"
SUFFIX = "_same_sex"  # of a statistic with floor and thresholds from impostors of the target's sex
SIMILARITY = "normalised_similarity"
SAME_SEX_COLUMNS = (SIMILARITY + SUFFIX, *(column + SUFFIX for column in ACCEPTED))


class SexScorer(SpeakerScorer):
    """A ``SpeakerScorer`` with ``SAME_SEX_COLUMNS`` beside the other columns; sexes are those of the speakers."""

    @functools.cached_property
    def _same(self) -> dict[str, np.ndarray]:
        """Sex -> (M,) cosines of its impostors."""
        return {sex: self.impostors_of(sex, sex) for sex in (FEMALE, MALE)}

    @functools.cached_property
    def _thresholds(self) -> dict[str, dict[str, float]]:
        return {sex: thresholds(cosines) for sex, cosines in self._same.items()}

    def impostors_of(self, content_sex: str, target_sex: str) -> np.ndarray:
        """(M,) cosines of natural recordings of one sex to the enrolment of other speakers of another, or the same."""
        sexes = np.array([self.sexes[name] for name in self.natural.index])
        names = self.natural.index[sexes == target_sex]
        part = self.natural.loc[sexes == content_sex, names]
        return part.to_numpy()[part.index.to_numpy()[:, None] != names.to_numpy()[None]]

    def decide(self, cosines: np.ndarray, target: SwapSpeaker, content: SwapSpeaker | None) -> Columns:
        """The columns of ``SpeakerScorer.decide``, ``floor_same_sex`` and ``SAME_SEX_COLUMNS``; NaN for no number."""
        found = super().decide(cosines, target, content)
        impostors, limits = self._same.get(target.sex, np.empty(0)), self._thresholds.get(target.sex, {})
        floor = float(impostors.mean()) if len(impostors) else np.nan
        similarity = metrics.normalised_similarity(found["to_target"], floor, self.ceiling)
        strict = {column + SUFFIX: accepted(found["to_target"], limits.get(column, np.nan)) for column in ACCEPTED}
        about = {"floor_same_sex": floor, "impostor_pairs_same_sex": len(impostors)}
        return found | about | {SIMILARITY + SUFFIX: similarity} | strict

    def levels(self) -> Iterator[Columns]:
        """One row for all natural impostors (both sexes ""), and one for each pair of sexes that there are."""
        yield self._level("", "", self.impostors, len(self.centroids))
        for content, target in product((FEMALE, MALE), repeat=2):
            impostors = self.impostors_of(content, target)
            # An output of the other sex rarely is the nearest to the target, one of the target's among its sex only.
            voices = [sex for sex in self.sexes.values() if content != target or sex == target]
            if len(impostors):
                yield self._level(content, target, impostors, len(voices))

    def _level(self, content: str, target: str, impostors: np.ndarray, voices: int) -> Columns:
        mean = float(impostors.mean())
        shares = {
            column: np.nan if np.isnan(limit) else float(np.mean(impostors >= limit))
            for column, limit in self.thresholds.items()
        }
        return {
            "encoder": self.encoder.name,
            "content_sex": content,
            "target_sex": target,
            "impostor_pairs": len(impostors),
            "to_target": mean,
            SIMILARITY: float(metrics.normalised_similarity(mean, self.floor, self.ceiling)),
            "identified": 1 / voices,
            **shares,
        }


def impostor_levels(scorers: Sequence[SexScorer]) -> pd.DataFrame:
    """The chance levels of the speaker test: a row for each encoder, sex of the impostor and sex of the target.

    Columns: encoder, content_sex, target_sex ("" of both: all impostors), impostor_pairs, and the values of natural
    impostors: to_target (mean cosine), normalised_similarity, accepted_1, accepted_5 (shares at the thresholds of all
    impostors), and identified: one over the enrolled voices, within a sex over those of that sex.
    """
    return pd.DataFrame([level for scorer in scorers for level in scorer.levels()])


def strict_statistics(part: pd.DataFrame) -> dict[str, metrics.Statistic | OfRows]:
    """The statistics of ``SAME_SEX_COLUMNS`` of some rows of ``SexScorer.score``; none where no sex is known."""
    if part.impostor_pairs_same_sex.max() == 0:
        return {}
    values = part[SIMILARITY + SUFFIX].to_numpy(float)
    known = np.flatnonzero(np.isfinite(values))
    found: dict[str, metrics.Statistic | OfRows] = {SIMILARITY + SUFFIX: OfRows(known, metrics.mean_of(values[known]))}
    return found | {
        column + SUFFIX: acceptance(part, column + SUFFIX, share, "impostor_pairs_same_sex")
        for column, share in ACCEPTED.items()
    }
