"""Numbers in Spanish notation are read as numbers."""

import pytest

from thesis_lib.cloning.notation import in_english_notation


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("1.234,56 €, 2.300 €, 1 234 € and €1.234,56", "1,234.56 €, 2,300 €, 1,234 € and €1,234.56"),
        ("2,50 euros, 1,5 hours and 3,5 million", "2.50 euros, 1.5 hours and 3.5 million"),
        ("10.000 people of 47.615.034.", "10,000 people of 47,615,034."),
    ],
)
def test_spanish_notation_becomes_english(text, english):
    assert in_english_notation(text) == english


@pytest.mark.parametrize(
    "text",
    [
        "$1,234.50 and 1,234 €",
        "1.459 €/l",
        "1.500 km",
        "from 0.000 to 1.5",
        "192.168.100.200",
        "612.345.678",
        "3,5 and 7",
    ],
)
def test_other_numbers_stay(text):
    assert in_english_notation(text) == text
