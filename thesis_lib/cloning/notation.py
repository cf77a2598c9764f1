"""Numbers in Spanish notation, "1.234,56 €", in English notation, "1,234.56 €".

The phonemizer reads the point of "10.000" and no comma of "2,5". A number that may also be in English notation is
changed only where the words beside it tell which it is.
"""

import functools
import re

SIGNS = "[$€£¥]"
CURRENCY = rf"(?:{SIGNS}|(?:euro|dollar|pound|peso)s?\b|(?:EUR|USD|GBP)\b)"
EUROS = r"(?:€|(?:euro|peso)s?\b)"  # amounts in them are mostly in Spanish notation
COUNTED = (  # after a number with decimals
    r"(?:%|(?:hundred|thousand|million|billion|trillion|percent|mn|bn|k|m|M|B)\b|"
    r"(?:km|m|cm|mm|kg|g|mg|l|L|ml|s|min|h|ha|GB|MB|TB|kW|kWh|V|W|Hz|kHz|dB|mph|kph)\b|[°º]|"
    r"(?:second|minute|hour|day|week|month|year|time|degree|point|meter|metre|kilometer|kilometre|centimeter|mile|"
    r"kilo|kilogram|gram|ton|tonne|liter|litre|hectare|inch|foot|feet)(?:e?s)?\b)"
)
THREE = r"(?:\.\d{3})"
# "1.234,56", "1.234.567" and "10.000"; "1.459" may be in either notation.
GROUPS = rf"(?:[1-9]\d{{0,2}}{THREE}+,\d{{1,2}}|[1-9]\d{{0,2}}{THREE}{{2,}}|[1-9]\d{{0,2}}\.000)"
SPACED = r"[1-9]\d{0,2}(?:[\u00a0\u2009\u202f]\d{3})+(?:,\d{1,2})?"  # "1 234,56", with spaces that do not break
DECIMAL = r"\d{1,3},\d{1,2}"
ALONE = r"(?<![\w.,/:$€£¥])"
END = r"(?!\w|[.,]\d)"
ROUND = r"(?:[1-9]\.\d\d0|[1-9]\d{1,2}\.\d{3})"  # "2.300", "12.345"; not "1.085"
# Not in "1.450 € per liter" and "€1.230 billion".
NO_RATE = r"(?!\s?/|\s+(?:per|an?|each|hundred|thousand|million|billion|trillion|mn|bn)\b)"


def in_english_notation(text: str) -> str:
    """Return the text with numbers in English notation."""
    for pattern in _patterns():
        text = pattern.sub(lambda found: _converted(found[0]), text)
    return text


@functools.cache
def _patterns() -> tuple[re.Pattern, ...]:
    return (
        re.compile(rf"{ALONE}(?:{GROUPS}|{SPACED}|{DECIMAL})(?=(?:\s?[-–]\s?\d[\d.,]*)?\s?{CURRENCY})"),
        # "2.300 €", and both ends of a range.
        re.compile(rf"{ALONE}{ROUND}(?=(?:\s?[-–]\s?\d[\d.,]*)?\s?{EUROS}{NO_RATE})"),
        re.compile(rf"(?<={SIGNS})(?:{GROUPS}|{SPACED}|{DECIMAL}){END}"),
        re.compile(rf"(?<=€){ROUND}{END}{NO_RATE}"),
        re.compile(rf"{ALONE}{DECIMAL}(?=(?:\s?[-–]\s?\d[\d.,]*)?\s?{COUNTED})"),
        # Beside no such word: groups that end in 000, or two after one or two digits; "612.345.678" is a telephone's.
        re.compile(rf"{ALONE}(?:[1-9]\d{{0,2}}{THREE}*\.000|[1-9]\d?{THREE}{{2}}){END}"),
    )


def _converted(number: str) -> str:
    whole, _, decimals = number.partition(",")
    return re.sub(r"\D", ",", whole) + (f".{decimals}" if decimals else "")
