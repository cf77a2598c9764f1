"""What an ablation shows of the three losses of the first plan, in one sentence each."""

import pandas as pd

from thesis_lib.validation.released.recipe import EMOTION, PLANNED
from thesis_lib.validation.released.scores import WORD_ERRORS
from thesis_lib.validation.roles import is_circular

NO_EMOTION = "the emotion of the outputs is not scored: the scores are of voice, words and predicted quality"
NONE, UNMEASURED = "no difference shown", "not measured"


def verdicts(table: pd.DataFrame) -> pd.DataFrame:
    """The verdict on each loss of the first plan: loss, verdict, evidence.

    A score counts where no network of the vocoder measures it. It is better or worse where the 95 % interval of the
    difference excludes zero. Intervals are not corrected for their number, and with fewer than six seeds nothing is
    tested. No score is of the emotion, so the verdict on the emotion loss says that this is not measured.
    """
    rows = []
    for variant in PLANNED:
        sides: dict[str, list[str]] = {"better": [], "worse": [], NONE: []}
        for row in table[table.variant == variant].itertuples():
            if not is_circular(row.role):
                sides[_side(row.metric, row.low, row.high)].append(_said(row))
        evidence = [f"{side}: {'; '.join(said)}" for side, said in sides.items() if said]
        verdict = _verdict(sides)
        if variant == EMOTION:
            verdict = f"{UNMEASURED} in emotion; other scores: {verdict}"
            evidence.append(NO_EMOTION)
        rows.append({"loss": variant.removeprefix("with "), "verdict": verdict, "evidence": ". ".join(evidence)})
    return pd.DataFrame(rows)


def _side(metric: str, low: float, high: float) -> str:
    if metric == WORD_ERRORS:  # lower is better
        low, high = -high, -low
    return "better" if low > 0 else "worse" if high < 0 else NONE


def _said(row) -> str:
    return f"{row.metric} {row.difference:+.3f} [{row.low:.3f}, {row.high:.3f}] against {row.against}"


def _verdict(sides: dict[str, list[str]]) -> str:
    """A count: one interval of several that excludes zero may do so by chance."""
    better, worse, scores = len(sides["better"]), len(sides["worse"]), sum(map(len, sides.values()))
    if better or worse:
        return f"better in {better} and worse in {worse} of {scores} scores"
    return NONE if scores else UNMEASURED
