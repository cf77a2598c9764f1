"""Text without case, punctuation and digits, as word error rates compare it."""

import re
import unicodedata

LONGEST_NUMBER = 15  # digits: a longer one is no number that anybody says


def normalise_text(text: str, language: str = "en") -> str:
    """Lower case, numbers in words, no punctuation: applied to both sides of every word metric.

    Without it, CVSS es-en scores about 9 BLEU instead of about 24.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"\d+", lambda m: f" {_in_words(m.group(), language)} ", text)
    return " ".join(re.sub(r"[^\w\s']", " ", text).split())


def _in_words(digits: str, language: str) -> str:
    """A number; digit by digit where it has no name, as when a recogniser goes round in circles."""
    from num2words import num2words

    numbers = [digits] if len(digits) <= LONGEST_NUMBER else digits
    return " ".join(num2words(int(number), lang=language) for number in numbers)
