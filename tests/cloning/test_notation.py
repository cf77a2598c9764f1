"""Numbers in Spanish notation are read as numbers."""

import pytest

from thesis_lib.cloning.notation import in_english_notation


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("1.234,56 €, 2.300 €, 1\u00a0234 € and €1.234,56", "1,234.56 €, 2,300 €, 1,234 € and €1,234.56"),
        ("€1.200, 2.300 euros, 12.345 € and 1.200-1.500 €", "€1,200, 2,300 euros, 12,345 € and 1,200-1,500 €"),
        ("-2,5 %, -3,5 °C, 10.000-15.000 people", "-2.5 %, -3.5 °C, 10,000-15,000 people"),
        ("1,5-2,5 hours and 1.500.000-2.000.000", "1.5-2.5 hours and 1,500,000-2,000,000"),
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
        "$1.459 per litre",
        "€1.459/l",
        "$45.375",
        "€1.230 billion",
        "worth 1.085 euros",
        "May 12 300 euros",
        "1.599 € a litre",
        "worth 1.085 dollars",
        "room 7 250 dollars",
    ],
)
def test_other_numbers_stay(text):
    assert in_english_notation(text) == text
