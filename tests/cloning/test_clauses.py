"""Clauses for live translation: numbers stay beside their units. `test_live.py` has more."""

import numpy as np
import pytest

from thesis_lib.audio.voice_activity import Segment
from thesis_lib.cloning.clauses import clauses, split_into_clauses
from thesis_lib.cloning.segments import TranslatedSegment


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        ("The harbor is", "5 km. away from the town."),
        ("We walked for nearly", "5 km in the rain today."),
        ("It cost them about", "$5 million in the end."),
        ("We met him there", "at 5 p.m. on the following day."),
    ],
)
def test_a_number_stays_beside_its_unit(first, rest):
    assert clauses(f"{first} {rest}") == [first, rest]


def test_each_clause_has_its_part_of_the_text():
    segment = TranslatedSegment(
        Segment(0.0, 1.0, np.zeros(0, np.float32)), "", "We walked for nearly 5 km in the rain."
    )
    first, last = split_into_clauses([segment])
    share = len(first.english) / (len(first.english) + len(last.english))
    assert (first.part, last.part) == ((0.0, pytest.approx(share)), (pytest.approx(share), 1.0))
    assert (first.is_last_clause, last.is_last_clause) == (False, True)
