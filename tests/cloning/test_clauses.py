"""Clauses for live translation: numbers stay beside their units. `test_live.py` has more."""

import pytest

from thesis_lib.cloning.clauses import clauses


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
