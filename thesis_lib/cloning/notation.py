"""Numbers in Spanish notation, "1.234,56 €", in English notation, "1,234.56 €".

The phonemizer reads the point of "10.000" and no comma of "2,5". A number that may also be in English notation is
changed only where the words beside it tell which it is.
"""

import functools
import re

SIGNS = "[$€£¥]"
CURRENCY = rf"(?:{SIGNS}|(?:euro|dollar|pound|peso)s?\b|(?:EUR|USD|GBP)\b)"
COUNTED = (  # after a number with decimals
    r"(?:%|(?:hundred|thousand|million|billion|trillion|percent|mn|bn|k|m|M|B)\b|"
    r"(?:km|m|cm|mm|kg|g|mg|l|L|ml|s|min|h|ha|GB|MB|TB|kW|kWh|V|W|Hz|kHz|dB|mph|kph)\b|[°º]|"
    r"(?:second|minute|hour|day|week|month|year|time|degree|point|meter|metre|kilometer|kilometre|centimeter|mile|"
    r"kilo|kilogram|gram|ton|tonne|liter|litre|hectare|inch|foot|feet)(?:e?s)?\b)"
)
GROUPS = r"[1-9]\d{0,2}(?:\.\d{3})+(?:,\d{1,2})?"  # "1.234,56"
SPACED = r"[1-9]\d{0,2}(?:[ \u00a0\u2009\u202f]\d{3})+(?:,\d{1,2})?"  # "1 234,56"
ALONE = r"(?<![\w.,/:$€£¥-])"
END = r"(?!\w|[.,]\d)"


def in_english_notation(text: str) -> str:
    """Return the text with numbers in English notation."""
    for pattern in _patterns():
        text = pattern.sub(lambda found: _converted(found[0]), text)
    return text


@functools.cache
def _patterns() -> tuple[re.Pattern, ...]:
    return (
        re.compile(rf"{ALONE}(?:{GROUPS}|{SPACED}|\d{{1,3}},\d{{1,2}})(?=\s?{CURRENCY}(?!\s?/|\s+per\b))"),
        re.compile(rf"(?<={SIGNS})(?:{GROUPS}|{SPACED}|\d{{1,3}},\d{{1,2}}){END}"),
        re.compile(rf"{ALONE}\d{{1,3}},\d{{1,2}}(?=\s?{COUNTED})"),
        # Beside no such word: groups that end in 000, or two after one or two digits; "612.345.678" is a telephone's.
        re.compile(rf"{ALONE}(?:[1-9]\d{{0,2}}(?:\.\d{{3}})*\.000|[1-9]\d?(?:\.\d{{3}}){{2}}){END}"),
    )


def _converted(number: str) -> str:
    whole, _, decimals = number.partition(",")
    return re.sub(r"\D", ",", whole) + (f".{decimals}" if decimals else "")
