"""Speaker scores of degraded outputs, between natural recordings that are degraded in the same way.

A degradation lowers every cosine, also that of natural recordings. So floor and ceiling of the normalised similarity
come from natural recordings with the same degradation. By this scale natural recordings keep 1 on average. A system
that keeps less than its undegraded value owes a part of that value to what the degradation removes. What the
degradation takes from natural recordings too is in their cosines, which are not scaled.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics
from thesis_lib.validation.degradations import DEGRADATIONS, Degrade
from thesis_lib.validation.evaluation import Columns, Results, Scorer, evaluate, groups_of, interval
from thesis_lib.validation.speaker_test.same_sex import SIMILARITY
from thesis_lib.validation.speaker_test.summary import CROSSED
from thesis_lib.validation.speaker_test.systems import NATURAL, TrialSystem, natural_about
from thesis_lib.validation.speaker_test.trials import SpeakerTrials
from thesis_lib.validation.swap import SpeakerScorer, Trial

UNDEGRADED = "undegraded"
COSINE = "to_target"  # of a recording and the enrolment of its target
MIN_UNDEGRADED_SIMILARITY = 0.1  # normalised similarity, below which a share of it is not given


def measure_degraded(
    trials: SpeakerTrials,
    systems: Sequence[TrialSystem],
    scorers: Sequence[SpeakerScorer],
    progress: Progress = silent,
) -> Results:
    """A row for each trial, system, encoder and degradation (``UNDEGRADED`` and each of ``DEGRADATIONS``).

    Columns: those of the trial, system and encoder, ``degradation``, ``to_target`` (cosine) and
    ``normalised_similarity``, and a row for the natural recording of each target. Floor and ceiling are of the targets'
    natural recordings with the degradation.
    Each output is rendered once. The enrolment is not degraded.
    """
    changes: dict[str, Degrade] = {UNDEGRADED: lambda wav, rate: wav, **DEGRADATIONS}
    scales = [_DegradedScale(trials, scorer, name, change) for scorer in scorers for name, change in changes.items()]
    natural = Results([row for scale in scales for row in scale.natural()])
    every = [scale.scorer() for scale in scales]
    return natural + evaluate(trials.test_set, systems, every, progress, parallel=True)


class _DegradedScale:
    """One encoder and degradation: the scale from the targets' natural recordings, and scores by it."""

    def __init__(self, trials: SpeakerTrials, scorer: SpeakerScorer, name: str, change: Degrade) -> None:
        self.trials, self._scorer, self._change = trials, scorer, change
        self.about = {"encoder": scorer.encoder.name, "degradation": name}
        probes = {speaker.name: change(speaker.content, scorer.rate) for speaker in trials.targets}
        self._cosines = scorer.cosines_of(probes)
        self.scale = metrics.Calibration(*scorer.split(self._cosines))

    def natural(self) -> list[Columns]:
        return [
            natural_about(speaker) | self.about | self._scores(self._cosines.loc[speaker.name, speaker.name])
            for speaker in self.trials.targets
        ]

    def scorer(self) -> Scorer[Trial, np.ndarray]:
        return Scorer(self._score, about=self.about)

    def _score(self, trial: Trial, wav: np.ndarray) -> Columns:
        degraded = self._change(wav, self._scorer.rate)
        found = self._scorer.score(degraded, trial.target, trial.content)
        return self._scores(found[COSINE])

    def _scores(self, cosine: float) -> Columns:
        return {COSINE: float(cosine), SIMILARITY: float(self.scale.normalised(cosine))}


def summarise_degraded(table: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """The normalised similarity of each system by each encoder before and after each degradation.

    Columns: system, encoder, degradation, before, after (means; 0 is chance), lost (before - after), the share that
    remains (after / before) as ``remains``, ``remains_low``, ``remains_high``, and ``difference``, ``low``, ``high``:
    that share minus that of the natural recordings of the same targets, paired. ``cosine_before`` and ``cosine_after``
    are means of the cosines to the target, and ``cosine_lost`` is their difference, with ``cosine_lost_low`` and
    ``cosine_lost_high``. Intervals are 95 %, over target speakers and contents, which cross. n; reason, where a share
    is not given.
    """
    rows = []
    for (system, encoder), part in table.groupby(["system", "encoder"], sort=False):
        own = table[(table.system == NATURAL) & (table.encoder == encoder)]
        natural = own.pivot(index="target_speaker", columns="degradation", values=SIMILARITY)
        wide, cosines = (
            part.pivot(index=list(CROSSED), columns="degradation", values=score) for score in (SIMILARITY, COSINE)
        )
        for name in [name for name in DEGRADATIONS if name in wide]:
            both = wide[[UNDEGRADED, name]].dropna()
            beside = natural.loc[both.index.get_level_values("target_speaker"), [UNDEGRADED, name]]
            about = {"system": system, "encoder": encoder, "degradation": name}
            about |= _cosines(cosines.loc[both.index, [UNDEGRADED, name]], resamples, seed)
            rows.append(about | _remains(both, beside.to_numpy(float), system == NATURAL, resamples, seed))
    return pd.DataFrame(rows)


def _cosines(both: pd.DataFrame, resamples: int, seed: int) -> Columns:
    """The columns of the cosines of ``summarise_degraded``, from (n, 2) before and after."""
    own = both.to_numpy(float)
    before, after = own.mean(0)
    lost = metrics.mean_of(own[:, 0] - own[:, 1])
    result = interval(len(own), lost, resamples, seed, groups_of(both.index.to_frame(index=False), CROSSED))
    return {
        "cosine_before": float(before),
        "cosine_after": float(after),
        "cosine_lost": float(before - after),
        "cosine_lost_low": result["low"],
        "cosine_lost_high": result["high"],
    }


def _remains(both: pd.DataFrame, beside: np.ndarray, natural: bool, resamples: int, seed: int) -> Columns:
    """The columns of ``summarise_degraded`` from (n, 2) before and after, and those of natural recordings (n, 2)."""
    own = both.to_numpy(float)
    before, after = own.mean(0)
    found: dict[str, Any] = {"before": float(before), "after": float(after), "lost": float(before - after)}
    sides = groups_of(both.index.to_frame(index=False), CROSSED)
    shares = {"remains": lambda rows: _share(own[rows])}
    if not natural:
        shares["difference"] = lambda rows: _share(own[rows]) - _share(beside[rows])
    reason = ""
    for name in ("remains", "difference"):
        keys = {"remains": (name, "remains_low", "remains_high"), "difference": (name, "low", "high")}[name]
        values = [np.nan] * 3
        if before < MIN_UNDEGRADED_SIMILARITY:
            reason = f"undegraded {before:.3f}, below {MIN_UNDEGRADED_SIMILARITY:g}: no share of it is given"
        elif name in shares:
            result = interval(len(own), shares[name], resamples, seed, sides)
            values, reason = [result[key] for key in ("value", "low", "high")], reason or result["reason"]
        found |= dict(zip(keys, values, strict=True))
    return found | {"n": len(own), "reason": reason}


def _share(values: np.ndarray) -> float:
    """(n, 2) before and after -> mean after / mean before. MetricError where the mean before is not positive."""
    before, after = values.mean(0)
    if before <= 0:
        raise metrics.MetricError("the undegraded normalised similarity is not above 0")
    return float(after / before)
