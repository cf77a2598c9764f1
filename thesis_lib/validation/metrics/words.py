"""Errors of recognised English against the target text; both sides are always normalised."""

import math
from collections.abc import Callable, Iterable

from thesis_lib.utils.text import normalise_text
from thesis_lib.validation.metrics.errors import MetricError

# sacrebleu's scores of a corpus, and the highest value of each. TER has none: a text with many insertions needs more
# edits than its reference has words.
HIGHEST_CORPUS_SCORE = {"bleu": 100.0, "chrf": 100.0, "ter": math.inf}


def _require_words(reference: str, language: str) -> str:
    normal = normalise_text(reference, language)
    if not normal:
        raise MetricError("the reference text holds no words")
    return normal


def word_errors(recognised: str, reference: str, language: str = "en") -> tuple[int, int]:
    """Substitutions + deletions + insertions, and words of the reference (jiwer), after normalisation."""
    import jiwer

    reference = _require_words(reference, language)
    counts = jiwer.process_words(reference, normalise_text(recognised, language))
    return counts.substitutions + counts.deletions + counts.insertions, len(reference.split())


def character_errors(recognised: str, reference: str, language: str = "en") -> tuple[int, int]:
    """Count the character errors, spaces included, and the characters of the reference."""
    import jiwer

    reference = _require_words(reference, language)
    counts = jiwer.process_characters(reference, normalise_text(recognised, language))
    return counts.substitutions + counts.deletions + counts.insertions, len(reference)


def corpus_bleu(recognised: list[str], references: list[str]) -> float:
    """BLEU of a corpus (sacrebleu, 13a, both sides normalised), 0..100."""
    return corpus_scorer("BLEU", recognised, references)(range(len(recognised)))


def corpus_chrf(recognised: list[str], references: list[str]) -> float:
    """chrF2 of a corpus (sacrebleu, both sides normalised), 0..100."""
    return corpus_scorer("CHRF", recognised, references)(range(len(recognised)))


def corpus_ter(recognised: list[str], references: list[str]) -> float:
    """TER of a corpus (sacrebleu, both sides normalised): edits over words of the references, in percent; from 0.

    An edit inserts, deletes or substitutes a word, or moves a sequence of words to another place (Snover et al. 2006).
    """
    return corpus_scorer("TER", recognised, references)(range(len(recognised)))


def corpus_scorer(metric: str, recognised: list[str], references: list[str]) -> Callable[[Iterable[int]], float]:
    """A function that scores the corpus of some of the sentences: "BLEU", "CHRF" or "TER", in percent.

    Each sentence is counted once; a bootstrap adds up the counts of thousands of corpora.
    """
    sides = [[normalise_text(text) for text in texts] for texts in (recognised, references)]
    if not sides[1] or len(recognised) != len(references) or not all(sides[1]):
        raise MetricError(
            f"{metric} of {len(recognised)} texts against {len(references)}: one each is needed, and none empty"
        )
    scorer = _scorer(metric)
    counts = scorer._extract_corpus_statistics(sides[0], [sides[1]])
    return lambda indices: scorer._aggregate_and_compute([counts[i] for i in indices]).score


def _scorer(metric: str):
    from sacrebleu.metrics import BLEU, CHRF, TER

    return {"BLEU": BLEU, "CHRF": CHRF, "TER": TER}[metric]()


def signature(metric: str) -> str:
    """sacrebleu's signature of the settings of "BLEU", "CHRF" or "TER"."""
    scorer = _scorer(metric)
    scorer.corpus_score(["a"], [["a"]])
    return str(scorer.get_signature())
