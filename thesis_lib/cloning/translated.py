"""The result of a translator."""

from dataclasses import dataclass

SPANISH = "es"
# Whisper takes Spanish with an accent for Galician or Latin: Latin with a high probability in bundled training voices.
# Not for `it`, `pt` or `ca`, which cannot be told from speech in these languages by their probability.
TAKEN_FOR_SPANISH = (SPANISH, "gl", "la")
MIN_FOREIGN_PROBABILITY = 0.5  # language probability from which speech counts as not Spanish


@dataclass(frozen=True)
class Translated:
    """Spanish transcript, English translation, identified language and its probability (0..1).

    ``transcript`` is empty where the model does not transcribe.
    """

    transcript: str
    english: str
    language: str = SPANISH
    language_probability: float = 1.0
    log_probability: float = 0.0  # mean of a token of ``english``, natural logarithm; 0 where the model gives none
    no_speech_probability: float = 0.0

    @property
    def is_foreign(self) -> bool:
        """Whether the identified language is not Spanish, with at least ``MIN_FOREIGN_PROBABILITY``."""
        return self.language != SPANISH and self.language_probability >= MIN_FOREIGN_PROBABILITY
