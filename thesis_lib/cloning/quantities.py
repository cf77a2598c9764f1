"""Dates, fractions, units and amounts of money in words."""

import functools
import re

from thesis_lib.cloning.abbreviations import FUNCTION_WORDS, MONTHS, OPENERS, either

FIRST_SHORT_YEAR = 1969  # a year of two digits is in the hundred years from it, as in POSIX
UNITS = {
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "kg": "kilogram", "g": "gram",
    "mg": "milligram", "l": "liter", "L": "liter", "ml": "milliliter", "s": "second", "ms": "millisecond",
    "min": "minute", "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour", "sec": "second", "secs": "second",
    "Hz": "hertz", "kHz": "kilohertz", "V": "volt", "mA": "milliampere", "W": "watt", "kW": "kilowatt",
    "kWh": "kilowatt hour", "mph": "mile per hour", "kph": "kilometer per hour", "MB": "megabyte", "GB": "gigabyte",
    "TB": "terabyte", "ha": "hectare", "dB": "decibel", "ft": "foot", "yd": "yard", "mi": "mile", "lb": "pound",
    "lbs": "pound", "oz": "ounce", "gal": "gallon", "kcal": "kilocalorie", "sq ft": "square foot",
    "sq. ft": "square foot", "sq. m": "square meter", "sq. km": "square kilometer",
}  # fmt: skip
PLURALS = {
    "foot": "feet", "square foot": "square feet", "hertz": "hertz", "kilohertz": "kilohertz",
    "mile per hour": "miles per hour", "kilometer per hour": "kilometers per hour",
    "meter per second": "meters per second", "degree Celsius": "degrees Celsius",
    "degree Fahrenheit": "degrees Fahrenheit", "penny": "pence", "yen": "yen",
}  # fmt: skip
AREAS = {f"{unit}{power}": f"{how} {UNITS[unit]}" for unit in ("mm", "cm", "m", "km")
         for powers, how in (("²2", "square"), ("³3", "cubic")) for power in powers}  # fmt: skip
DEGREES = {f"{sign}{space}{scale[0]}": f"degree {scale}" for sign in "°º" for space in ("", " ")
           for scale in ("Celsius", "Fahrenheit")} | {"°": "degree", "º": "degree"}  # fmt: skip
ORDINAL_NOUNS = (
    "floor",
    "grade",
    "place",
    "class",
    "edition",
    "century",
    "day",
    "year",
    "division",
    "piso",
    "anniversary",
)
HOURS, MINUTES, SECONDS = ("h", "hr", "hrs"), ("min", "mins"), ("s", "sec", "secs")
RATES = AREAS | DEGREES | dict.fromkeys(("km/h", "Km/h", "KM/H"), "kilometer per hour") | {"m/s": "meter per second"}
PER = {unit: UNITS[unit] for unit in ("h", "hr", "min", "s", "sec", "l", "L", "kg", "g", "m", "cm", "km", "ha")} | AREAS
FRACTIONS = {
    "1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters",
    "½": "one half", "⅓": "one third", "⅔": "two thirds", "¼": "one quarter", "¾": "three quarters",
    "⅕": "one fifth", "⅖": "two fifths", "⅗": "three fifths", "⅘": "four fifths", "⅙": "one sixth", "⅚": "five sixths",
    "⅛": "one eighth", "⅜": "three eighths", "⅝": "five eighths", "⅞": "seven eighths",
}  # fmt: skip
# "Step 1/2" is one of two, "on Monday 1/2" a date.
COUNTED = frozenset(
    "part step page chapter level stage round phase episode season slide question section lesson volume number figure "  # noqa: SIM905
    "table exercise issue act scene day week group".split()
)
BEFORE_DATES = frozenset("on since until monday tuesday wednesday thursday friday saturday sunday".split())  # noqa: SIM905
CURRENCIES = {
    "US$": ("US dollar", "cent"), "$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny"),
    "¥": ("yen", "sen"),
}  # fmt: skip
CODES = {"USD": ("US dollar", "cent"), "EUR": ("euro", "cent"), "GBP": ("pound", "penny")}  # after a number
MULTIPLES = {
    "k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "bn": "billion", "B": "billion",
} | {name: name for name in ("hundred", "thousand", "million", "billion", "trillion")}  # fmt: skip
# Not a unit after a currency sign ("$5 m" is a number of millions), nor before the rest of an abbreviation.
NUMBER = r"(?<![\w$€£¥])(?<![$€£¥]\s)(?<!\d[.,])(\d(?:[\d.,]*\d)?)"
ARTICLE, NEXT_WORD = r"(\b(?:[Aa]n?|[Tt]he)\s+)?", r"(?=\s+([A-Za-z]+))?"


def goes_on_after_unit(text: str, following: str) -> bool:
    """Whether a length of time goes on after the full stop of a unit, as in "5 min. 30 sec."."""
    return any(
        re.search(rf"\d\s?(?:{either(units)})\.$", text.rstrip())
        and re.match(rf"\d+\s?(?:{either(smaller)})\b", following)
        for units, smaller in ((HOURS, MINUTES), (MINUTES, SECONDS))
    )


def ends_in_unit(text: str) -> bool:
    """Whether the last full stop belongs to a unit after a number, "5 km."."""
    return bool(re.search(rf"\d\s?(?:{either([*UNITS, 'sq'])})\.$", text.rstrip()))


def money_as_read(text: str) -> str:
    """Return the text with amounts of money in words; the phonemizer reads "$50" as "dollar fifty"."""
    # "$2-$3 million"
    text = re.sub(r"((?P<sign>[$€£¥])\s?\d(?:[\d.,]*\d)?)\s?[-–]\s?(?P=sign)\s?(?=\d)", r"\1-", text)
    for pattern in _money():
        text = pattern.sub(_amount, text)
    return text


@functools.cache
def _money() -> tuple[re.Pattern, ...]:
    sign, multiple = rf"(?P<sign>{either(CURRENCIES)})", rf"(?:[\s-]?(?P<multiple>{either(MULTIPLES)})\b)?"
    number = r"(?P<number>\d(?:[\d.,]*\d)?(?:[-–]\d(?:[\d.,]*\d)?)?)"
    article, following = ARTICLE.replace("(", "(?P<article>", 1), NEXT_WORD.replace("([", "(?P<following>[")
    return (
        re.compile(rf"{article}(?<![\w$€£¥]){sign}\s?{number}{multiple}(?:-dollar\b|\s?USD\b)?(?!\w){following}"),
        re.compile(rf"{article}(?<![\w.,/]){number}{multiple}\s?{sign}(?![\w$€£¥]){following}"),
        re.compile(
            rf"{article}(?<![\w.,/])(?!(?:19|20)\d\d\s){number}{multiple}\s?(?P<sign>{either(CODES)})(?![\w/]){following}"
        ),
        re.compile(
            rf"{article}(?<![\w/-])(?P<sign>{either(CODES)})\s(?!(?:19|20)\d\d\b){number}{multiple}(?!\w){following}"
        ),
    )


def _amount(found: re.Match) -> str:
    """An amount of money: "5 million dollars", "5 dollars and 50 cents", "a 5 dollar bill"."""
    article, number, multiple = (
        found["article"] or "",
        re.sub("[-–]", " to ", found["number"]),
        MULTIPLES.get(found["multiple"], ""),
    )
    name, part = (CURRENCIES | CODES)[found["sign"]]
    is_singular = _is_attribute(article, found["following"])
    hundredths = re.fullmatch(r"(\d[\d.,]*)[.,](\d\d)", number)
    if multiple or not hundredths:
        return f"{article}{_counted(f'{number} {multiple}'.strip(), name, is_singular)}"
    whole, rest = hundredths[1], hundredths[2].removeprefix("0")
    amounts = [_counted(count, unit, is_singular) for count, unit in ((whole, name), (rest, part)) if count != "0"]
    return f"{article}{' and '.join(amounts) or _counted('0', name, is_singular)}"


def _counted(number: str, name: str, is_singular: object = False) -> str:
    return f"{number} {name if number == '1' or is_singular else PLURALS.get(name, f'{name}s')}"


def _is_attribute(article: str | None, next_word: str | None) -> object:
    """Whether a quantity describes a noun, as in "the 100 m final" and "a $5 bill"."""
    return article and next_word and (article[0] in "Aa" or next_word.upper() not in FUNCTION_WORDS)


@functools.cache
def quantity_rules() -> tuple:
    """Pairs of a pattern and what replaces it, for ``re.sub``."""
    again = rf"\d+\s?(?:{either(MINUTES + SECONDS)})\b"  # "5 min. 30 sec."
    units, rates = either(UNITS), rf"{either(RATES)}|(?:{either(UNITS)})/(?:{either(PER)})"
    day, year_first = r"(\d{1,2})", r"(?<![\w/.-])(\d{4})([-/])(\d{1,2})\2(\d{1,2})(?![\w/-])"
    # "24/12/2024-31/12/2024"
    period = r"(?<![\w/.-])(\d{1,2}([/.])\d{1,2}\2\d{4})\s?[-–]\s?(?=\d{1,2}\2\d{1,2}\2\d{4}(?![\w/-]))"
    fraction = rf"(?<![\w/.,$€£¥-])(?:(\d+)(?:\s|(?!\d)))?({either(FRACTIONS)})(?![\w/]|[.,]\d|\s+time\b)"
    return (
        (re.compile(period), r"\1 to "),
        (re.compile(rf"(?<![\w/.-]){day}([/.-]){day}\2(\d{{4}})(?![\w/-])"), lambda f: _date(f[0], f[1], f[3], f[4])),
        (re.compile(rf"(?<![\w/.-]){day}(/){day}/(\d\d)(?![\w/-])"), lambda f: _date(f[0], f[1], f[3], _year(f[4]))),
        (re.compile(year_first), lambda found: _date(found[0], found[4], found[3], found[1])),
        (re.compile(fraction), _fraction),
        (
            re.compile(
                rf"(?<![\w/])({either(RATES)})(?![\w/])|(?<=\d)\s?({rates})(?![\w/])(?!(?<=º)\s(?:{either(ORDINAL_NOUNS)}))"
            ),
            _rate,
        ),
        (
            re.compile(
                rf"{ARTICLE}{NUMBER}(\s?)({units})\b(?![/²³']|\.\w)(?:\.(?=\s+(?:[a-z]|{again})))?{NEXT_WORD}",
            ),
            _unit,
        ),
    )


def _year(short: str) -> str:
    """The year of two digits."""
    return str(FIRST_SHORT_YEAR + (int(short) - FIRST_SHORT_YEAR) % 100)


def _date(given: str, day: str, month: str, year: str) -> str:
    """A date in words; day before month, as in Spanish, unless only the other order is a date."""
    first, second = int(day), int(month)
    if second > 12:
        first, second = second, first
    if not (1 <= second <= 12 and 1 <= first <= 31):
        return given
    ending = "th" if 11 <= first <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(first % 10, "th")
    return f"{MONTHS[second - 1]} {first}{ending}, {year}"


def _fraction(found: re.Match) -> str:
    """A fraction in words; not after a word of ``COUNTED``, and after ``BEFORE_DATES`` or a name only before "of"."""
    before = found.string[: found.start()].split()
    last, is_of = before[-1] if before else "", found.string[found.end() :].lstrip().startswith("of ")
    may_be_date = last.lower() in BEFORE_DATES or (len(before) > 1 and last.isalpha() and last.istitle())
    if not found[1] and (last.lower() in COUNTED or (may_be_date and not is_of)):
        return found[0]
    return f"{found[1]} and {FRACTIONS[found[2]]}" if found[1] else FRACTIONS[found[2]]


def _rate(found: re.Match) -> str:
    """A rate, an area or a temperature in words, singular after 1."""
    rate, is_one = found[1] or found[2], re.search(r"(?<![\d.,])1\s?$", found.string[: found.start()])
    unit, _, per = rate.partition("/")
    name, rest = (RATES[rate], "") if rate in RATES else (UNITS[unit], f" per {PER[per]}")
    return f"{' ' if found[2] else ''}{name if is_one else PLURALS.get(name, f'{name}s')}{rest}"


def _unit(found: re.Match) -> str:
    """A unit in words: singular in "the 100 m final"; "80s" and "25m" are more often years and millions.

    "5 L. Frank" and "5 V-belts" have no unit, "12 V. The motor" has one.
    """
    article, number, space, unit, next_word = found.groups()
    street = r"\s+[A-Z]\w+ (?:Street|Avenue|Road|Boulevard)\b"  # "5 W Main Street"
    after = re.match(rf"-|\.\s+([A-Z]\w*)|{street}", found.string[found.end(4) :])
    is_initial = unit in "LVW" and after and after[1] not in OPENERS
    if is_initial or (not space and len(unit) == 1):
        return found[0]
    return f"{article or ''}{_counted(number, UNITS[unit], _is_attribute(article, next_word))}"
