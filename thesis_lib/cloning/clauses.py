"""Split English text into clauses, so that live translation plays the first words before the sentence is complete."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from thesis_lib.cloning.abbreviations import ends_in_abbreviation
from thesis_lib.cloning.quantities import ends_in_unit
from thesis_lib.cloning.readings import sentences
from thesis_lib.cloning.segments import TranslatedSegment

CLAUSE_END = r"(?<=[;:,…])\s+|(?<=\.\.\.)\s+"  # within a sentence
MIN_CLAUSE_WORDS = 4
MAX_FIRST_CLAUSE_WORDS = 5  # where the first clause is long enough to be cut in two
# Words before which a speaker may pause.
CLAUSE_OPENERS = frozenset(
    "and but or because that which who when where while if to for with in on at from by of as".split()  # noqa: SIM905
)


def split_into_clauses(segments: Iterable[TranslatedSegment]) -> Iterator[TranslatedSegment]:
    """Cut each translated segment into its clauses; the first clause keeps the transcript and the seconds."""
    for segment in segments:
        found = clauses(segment.english)
        ends = np.cumsum([0, *map(len, found)]) / sum(map(len, found))
        for number, clause in enumerate(found):
            cut = replace(segment, english=clause, part=(float(ends[number]), float(ends[number + 1])))
            yield replace(cut, transcript="", seconds={}) if number else cut


def clauses(text: str) -> list[str]:
    """Split a text at punctuation marks into clauses of at least ``MIN_CLAUSE_WORDS`` words; no word is lost.

    The first clause is shortened, because playback waits for it: it ends before the last of the ``CLAUSE_OPENERS``
    among its first words, otherwise after ``MAX_FIRST_CLAUSE_WORDS`` words.
    """
    found = [""]
    parts = (part for sentence in sentences(text) for part in re.split(CLAUSE_END, sentence.strip()))
    for clause in parts:
        if len(found[-1].split()) < MIN_CLAUSE_WORDS:
            found[-1] = f"{found[-1]} {clause}".strip()
        else:
            found.append(clause)
    if len(found) > 1 and len(found[-1].split()) < MIN_CLAUSE_WORDS:
        found[-2:] = [" ".join(found[-2:])]
    words = found[0].split()
    if len(words) >= MAX_FIRST_CLAUSE_WORDS + MIN_CLAUSE_WORDS:
        openers = [
            n for n in range(MIN_CLAUSE_WORDS - 1, MAX_FIRST_CLAUSE_WORDS + 1) if words[n].lower() in CLAUSE_OPENERS
        ]
        cut = max(openers, default=MAX_FIRST_CLAUSE_WORDS)
        cut -= ends_in_abbreviation(words[cut - 1]) or ends_in_unit(" ".join(words[:cut]))
        cut -= words[cut - 1][-1].isdigit()  # a number stays beside its unit
        found[:1] = [" ".join(words[:cut]), " ".join(words[cut:])]
    return found
