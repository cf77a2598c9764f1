"""What goes wrong without an error: a loss that never moves, a discriminator that has won or given up."""

import warnings
from collections import defaultdict, deque

WINDOW = 100  # steps that a symptom must last
WON = 0.01  # discriminator loss: fakes are told from real ones with certainty, the generator learns nothing from it
BLIND = 1e-3  # difference of the mean scores of real and fake: the discriminator sees none


class TrainingWarning(UserWarning):
    """Training goes on, but somebody should look."""


class TrainingMonitor:
    """Watches the log's rows; says each thing once."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self._said: set[str] = set()

    def see(self, row: dict[str, float], losses: set[str]) -> list[str]:
        """What this row makes worth saying; ``losses`` are the names of those that should move."""
        for name, value in row.items():
            self._recent[name].append(value)
        found = {}
        for name in losses & row.keys():
            if self._lasts(name, lambda value, first=row[name]: value == first):
                found[name] = f"the {name} loss has been exactly {row[name]:g} for {WINDOW} steps: nothing moves it"
        if self._lasts("discriminator", lambda value: value < WON):
            found["won"] = f"the discriminator's loss has been below {WON} for {WINDOW} steps: it teaches nothing"
        scores = zip(self._recent["score_real"], self._recent["score_fake"], strict=True)
        if len(self._recent["score_real"]) == WINDOW and all(abs(real - fake) < BLIND for real, fake in scores):
            found["blind"] = f"the discriminator has scored real and fake alike for {WINDOW} steps: it sees nothing"
        new = [text for key, text in found.items() if key not in self._said]
        self._said |= found.keys()
        for text in new:
            warnings.warn(text, TrainingWarning, stacklevel=2)
        return new

    def _lasts(self, name: str, symptom) -> bool:
        recent = self._recent[name]
        return len(recent) == WINDOW and all(symptom(value) for value in recent)
