"""Speaker scores of degraded outputs: what each system loses, beside what natural recordings lose."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics
from thesis_lib.validation.degradations import DEGRADATIONS, Degradation
from thesis_lib.validation.evaluation import Results, Scorer, evaluate, groups_of, interval
from thesis_lib.validation.speaker_test.summary import CROSSED
from thesis_lib.validation.speaker_test.systems import TrialSystem
from thesis_lib.validation.speaker_test.trials import SpeakerTrials
from thesis_lib.validation.swap import SpeakerScorer, Trial

NONE = "none"


def measure_degraded(
    trials: SpeakerTrials,
    systems: Sequence[TrialSystem],
    scorers: Sequence[SpeakerScorer],
    progress: Progress = silent,
) -> Results:
    """The rows of ``measure_speakers`` with a column ``degradation``: ``NONE``, and each of ``DEGRADATIONS``.

    Each output is rendered once. The enrolment is not degraded.
    """
    changes: dict[str, Degradation] = {NONE: lambda wav, rate: wav, **DEGRADATIONS}
    every = [_scorer(scorer, name, change) for scorer in scorers for name, change in changes.items()]
    return evaluate(trials.test_set, systems, every, progress)


def _scorer(scorer: SpeakerScorer, name: str, change: Degradation) -> Scorer[Trial, np.ndarray]:
    return Scorer(
        lambda trial, wav: scorer.score(change(wav, scorer.rate), trial.target, trial.content),
        about={"encoder": scorer.encoder.name, "degradation": name},
    )


def summarise_degraded(table: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """The normalised similarity of each system, by each encoder, before and after each degradation.

    Columns: system, encoder, degradation, before, after (means), lost (before - after, paired) with low and high
    (95 %, over target speakers and contents, which cross), n, reason. 0 is chance in ``before`` and ``after``.
    """
    table = table.assign(similarity=(table.to_target - table.floor) / (table.ceiling - table.floor))
    rows = []
    for (system, encoder), part in table.groupby(["system", "encoder"], sort=False):
        wide = part.pivot(index=list(CROSSED), columns="degradation", values="similarity")
        for name in [name for name in DEGRADATIONS if name in wide and NONE in wide]:
            both = wide[[NONE, name]].dropna()
            lost = (both[NONE] - both[name]).to_numpy(float)
            sides = groups_of(both.index.to_frame(index=False), CROSSED)
            found = interval(len(lost), metrics.mean_of(lost), resamples, seed, sides)
            means = {"before": float(both[NONE].mean()), "after": float(both[name].mean()), "lost": found.pop("value")}
            rows.append({"system": system, "encoder": encoder, "degradation": name} | means | found)
    return pd.DataFrame(rows)
