"""Detect failures of a training that raise no error: a constant loss, a saturated or a failed discriminator."""

import math
import warnings
from collections import defaultdict, deque

SYMPTOM_STEPS = 100  # consecutive steps that a symptom must last
MIN_DISCRIMINATOR_LOSS = 0.01  # below: it separates estimates from recordings perfectly and gives no gradient
MIN_SCORE_DIFFERENCE = 1e-3  # between the mean scores of recordings and estimates; below: it separates nothing


class TrainingWarning(UserWarning):
    """Training continues, but its log should be inspected."""


class TrainingMonitor:
    """Check the rows of the training log; each warning is given once."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=SYMPTOM_STEPS))
        self._given: set[str] = set()

    def check_row(self, row: dict[str, float], losses: set[str]) -> list[str]:
        """Check one row and return the new warnings; ``losses`` names those that should change from step to step."""
        for name, value in row.items():
            self._recent[name].append(value)
        found = {}
        for name in losses & row.keys():
            if self._lasts(name, lambda value, first=row[name]: value == first):
                found[name] = (
                    f"the {name} loss has been exactly {row[name]:g} for {SYMPTOM_STEPS} steps: nothing changes it"
                )
        if self._lasts("discriminator", lambda value: value < MIN_DISCRIMINATOR_LOSS):
            found["saturated"] = (
                f"the discriminator's loss has been below {MIN_DISCRIMINATOR_LOSS} for {SYMPTOM_STEPS} steps: "
                "the generator gets no gradient from it"
            )
        scores = zip(self._recent["score_real"], self._recent["score_fake"], strict=True)
        full = len(self._recent["score_real"]) == SYMPTOM_STEPS
        if full and all(abs(real - fake) < MIN_SCORE_DIFFERENCE for real, fake in scores):
            found["failed"] = (
                f"the discriminator has scored recordings and estimates alike for {SYMPTOM_STEPS} steps: "
                "it separates nothing"
            )
        return self._give(found)

    def check_score(self, step: int, name: str, score: float) -> list[str]:
        """A warning when a validation score is not finite: its checkpoint cannot become the best one."""
        if math.isfinite(score):
            return []
        return self._give({f"{name} at {step}": f"{name} is {score} at step {step}: no best checkpoint there"})

    def _give(self, found: dict[str, str]) -> list[str]:
        new = [text for key, text in found.items() if key not in self._given]
        self._given |= found.keys()
        for text in new:
            warnings.warn(text, TrainingWarning, stacklevel=3)
        return new

    def _lasts(self, name: str, symptom) -> bool:
        recent = self._recent[name]
        return len(recent) == SYMPTOM_STEPS and all(symptom(value) for value in recent)
