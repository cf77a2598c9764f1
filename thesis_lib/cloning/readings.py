"""Write English text as it is read aloud: abbreviations, dates, units and capitals in words.

The phonemizer spells "km/h", reads "24/12/2024" with slashes, "IT IS" as two letters and a word, and pauses after the
full stop of "Dr.". Text without any of these is not changed.
"""

import functools
import re
from collections.abc import Callable

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
SHORT_MONTHS = {month[:3]: month for month in MONTHS if month != "May"} | {"Sept": "September"}
FIRST_SHORT_YEAR = 1969  # a year of two digits is in the hundred years from it, as in POSIX
TITLES = {
    "Dr": "Doctor", "Mr": "Mister", "Mrs": "Missis", "Ms": "Miz", "Prof": "Professor", "Gen": "General",
    "Capt": "Captain", "Sgt": "Sergeant", "Lt": "Lieutenant", "Rev": "Reverend", "Sen": "Senator", "Gov": "Governor",
    "St": "Saint", "Mt": "Mount", "Ft": "Fort", "Fr": "Father", "Hon": "Honorable", "Mme": "Madame",
    "Sr": "Señor", "Sra": "Señora", "Srta": "Señorita", "Dra": "Doctora", "Dña": "Doña", "Lic": "Licenciado",
    "Sto": "Santo", "Sta": "Santa",
}  # fmt: skip
ABBREVIATIONS = {
    "e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "vs.": "versus", "approx.": "approximately",
    "a.m.": "AM", "p.m.": "PM", "m.p.h.": "miles per hour", "cf.": "compare",
    "Ph.D.": "PhD", "et al.": "and others", "Jr.": "Junior", "Sr.": "Senior",
    "Ave.": "Avenue", "Blvd.": "Boulevard", "Rd.": "Road", "St.": "Street", "dept.": "department",
    "Inc.": "Incorporated", "Corp.": "Corporation", "Bros.": "Brothers", "Ltd.": "Limited", "Co.": "Company",
    "Ud.": "usted", "Uds.": "ustedes", "EE.UU.": "United States",
}  # fmt: skip
# Before a number.
NUMBERED = {
    "No": "number", "p": "page", "pp": "pages", "vol": "volume", "Vol": "Volume", "fig": "figure", "Fig": "Figure",
    "c": "circa", "ca": "circa", "est": "established", "tel": "telephone", "Tel": "Telephone",
}  # fmt: skip
UNITS = {
    "km": "kilometer", "m": "meter", "cm": "centimeter", "mm": "millimeter", "kg": "kilogram", "g": "gram",
    "mg": "milligram", "l": "liter", "ml": "milliliter", "s": "second", "ms": "millisecond", "min": "minute",
    "h": "hour", "Hz": "hertz", "kHz": "kilohertz", "W": "watt", "kW": "kilowatt", "kWh": "kilowatt hour",
    "mph": "mile per hour", "MB": "megabyte", "GB": "gigabyte", "ha": "hectare", "dB": "decibel", "ft": "foot",
}  # fmt: skip
PLURALS = {"foot": "feet", "mile per hour": "miles per hour", "hertz": "hertz", "kilohertz": "kilohertz"}
AREAS = {f"{unit}{power}": f"{how} {UNITS[unit]}s" for unit in ("mm", "cm", "m", "km")
         for powers, how in (("²2", "square"), ("³3", "cubic")) for power in powers}  # fmt: skip
DEGREES = {
    f"{sign}{unit}": f"degrees {scale}" for sign in "°º" for unit, scale in (("C", "Celsius"), ("F", "Fahrenheit"))
}
SPEEDS = dict.fromkeys(("km/h", "Km/h", "KM/H"), "kilometers per hour") | {"m/s": "meters per second"}
RATES = AREAS | DEGREES | SPEEDS
# Not a unit after a currency sign ("$5 m" is a number of millions), nor before the rest of an abbreviation.
NUMBER = r"(?<![\w$€£¥])(?<![$€£¥]\s)(?<!\d[.,])(\d[\d.,]*)"
# Words in capitals that are no acronyms, which show that the words beside them are none either.
FUNCTION_WORDS = frozenset(
    "IS ARE WAS WERE BE AM THE A AN AND OR BUT OF TO IN ON AT FOR WITH NOT NO YOU HE SHE WE THEY THIS THAT MY YOUR DO "  # noqa: SIM905
    "DOES DID WILL CAN HAVE HAS HAD GO WHAT WHO WHEN WHERE WHY HOW ALL SO IF BY FROM AS".split()
)
# Acronyms that keep their capitals beside such words; US only after THE, because it is also a pronoun.
ACRONYMS = frozenset(
    "UN EU UK USA NATO NASA ESA FBI CIA NBA NFL BBC CNN NBC MTV BMW IBM TV PC DNA RNA HIV AIDS UNESCO UNICEF IMF OECD "  # noqa: SIM905
    "OPEC UFO CEO GDP VIP ATM DVD CD AI USB GPS SMS FIFA UEFA NGO".split()
)


PRONOUNS = frozenset(("IT", "US"))  # and acronyms
# Words that begin a sentence after an abbreviation; another word may be a name, and the sentence goes on.
OPENERS = frozenset(word.capitalize() for word in FUNCTION_WORDS - {"A"}) | frozenset(
    ("It", "I", "Then", "There", "These", "Those", "Its", "His", "Her", "Their", "Our", "After", "Before", "However")
)
SAINTS = frozenset(
    ("Mount", "Fort", "Port", "Lake", "Cape", "Saint", "Sault", "Pope", "Bishop", "Apostle")
)  # "Lake St. Clair"


def sentences(text: str) -> list[str]:
    """Split a text into sentences with pysbd; joined, they are the text.

    After an abbreviation a sentence ends only before one of the ``OPENERS``.
    """
    body = text.lstrip()
    found = _segmenter().segment(body)
    if "".join(found) != body:  # pysbd marks its places with symbols such as ♬ and ☉, and loses a text that holds them
        found = re.findall(r".+?(?:[.!?…]+[\"'”’)]*(?:\s+|$)|$)", body, re.DOTALL)
    found = _joined(found, _goes_on)
    return [text[: len(text) - len(body)] + found[0], *found[1:]] if found else []


def _joined(parts: list[str], goes_on: Callable[[str, str], object]) -> list[str]:
    """Join each part after which the sentence goes on with the next part."""
    found = parts[:1]
    for part in parts[1:]:
        if goes_on(found[-1], part):
            found[-1] += part
        else:
            found.append(part)
    return found


def _goes_on(text: str, following: str) -> object:
    """Whether the last full stop of a text is of an abbreviation before the next word of its sentence."""
    last, first = (text.split() or [""])[-1].lstrip("([\"'“‘"), (following.split() or [""])[0]
    if last.endswith(".") and last[:-1] in SHORT_MONTHS and re.search(r"\d\s+\S+$", text.rstrip()):
        return True
    if last.endswith(".") and (last[:-1] in NUMBERED or last[:-1] in SHORT_MONTHS):
        return re.match(r"\+?\d", first)
    return ends_in_abbreviation(text) and re.sub(r"\W.*", "", first) not in OPENERS


def ends_in_abbreviation(text: str) -> bool:
    """Whether the last full stop belongs to an abbreviation or an initial, so that the sentence may go on."""
    last = (text.split() or [""])[-1].lstrip("([\"'“‘")
    is_known = last in ABBREVIATIONS or text.rstrip().endswith(" et al.")
    is_known |= last.endswith(".") and (last[:-1] in TITLES or last[:-1] in NUMBERED or last[:-1] in SHORT_MONTHS)
    return is_known or bool(re.fullmatch(r"(?:[A-Z]\.)+", last))


def unfinished_sentence(text: str) -> str:
    """Return the last sentence of a text if it has no end yet, else ""; an ellipsis does not end a sentence.

    A finished sentence is not given as context, because Whisper then repeats or continues it, whatever the input
    (`python -m benchmarks context`).
    """
    parts = _joined(sentences(text), lambda part, _: part.rstrip().endswith(("...", "…")))
    last = parts[-1].strip() if parts else ""
    return "" if re.search(r"(?<![.…])[.!?][\"'”’)]*$", last) else last


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit to be spoken."""
    return any(sign.isalnum() for sign in text)


def as_read(text: str) -> str:
    """Return the text with abbreviations, dates, units and capitals in words."""
    return "".join(_sentence_as_read(sentence) for sentence in sentences(text)) if has_words(text) else text


def _sentence_as_read(sentence: str) -> str:
    body = sentence.rstrip()
    read = body
    for pattern, replacement in _rules():
        read = pattern.sub(replacement, read)
    # The full stop of a last abbreviation also ends the sentence.
    if body.endswith(".") and not read.endswith((".", "…")):
        read += "."
    return read + sentence[len(body) :]


@functools.cache
def _rules() -> tuple[tuple[re.Pattern, Callable[[re.Match], str]], ...]:
    titles, units = "|".join(TITLES), "|".join(sorted(UNITS, key=len, reverse=True))
    rates = "|".join(map(re.escape, sorted(RATES, key=len, reverse=True)))
    known = "|".join(map(re.escape, sorted(ABBREVIATIONS, key=len, reverse=True)))
    numbered, months = "|".join(sorted(NUMBERED, key=len, reverse=True)), "|".join(sorted(SHORT_MONTHS, reverse=True))
    day, year_first = r"(\d{1,2})", r"(?<![\w/.-])(\d{4})([-/])(\d{1,2})\2(\d{1,2})(?![\w/-])"
    return (
        (re.compile(rf"\b({titles})\.(?=\s+[A-ZÀ-ÖØ-Þ])"), _title),
        (re.compile(rf"(?<!\w)({known})(?!\w)"), lambda found: ABBREVIATIONS[found[1]]),
        (re.compile(rf"\b({numbered})\.(?=\s*\+?\d)"), lambda found: NUMBERED[found[1]]),
        (re.compile(rf"\b({months})\.(?=\s*\d)|(?<=\d )({months})\."), lambda f: SHORT_MONTHS[f[1] or f[2]]),
        (re.compile(r"\b(?:[A-Z]\.){2,}"), lambda found: found[0].replace(".", "")),
        (re.compile(rf"(?<![\w/.-]){day}([/.-]){day}\2(\d{{4}})(?![\w/-])"), lambda f: _date(f[0], f[1], f[3], f[4])),
        (re.compile(rf"(?<![\w/.-]){day}(/){day}/(\d\d)(?![\w/-])"), lambda f: _date(f[0], f[1], f[3], _year(f[4]))),
        (re.compile(year_first), lambda found: _date(found[0], found[4], found[3], found[1])),
        (re.compile(rf"(?<![\w/])({rates})(?![\w/])|(?<=\d)({rates})(?![\w/])"), _rate),
        (
            re.compile(
                rf"(\b(?:[Aa]n?|[Tt]he)\s+)?{NUMBER}(\s?)({units})\b(?![/²³']|\.\w)(?:\.(?=\s+[a-z]))?(?=\s+([a-z]+))?"
            ),
            _unit,
        ),
        (re.compile(r"\b[A-Z]+(?:'[A-Z]+)?(?:\s+[A-Z]+(?:'[A-Z]+)?)+\b"), _capitals),
    )


def _title(found: re.Match) -> str:
    """A title in words; "St." after a name is a street: "on Main St. today", but "In St. Louis"."""
    before = found.string[: found.start()].split()
    name = before[-1] if before else ""
    is_name = len(before) > 1 and name.isalpha() and name[0].isupper() and name not in OPENERS | SAINTS
    is_street = found[1] == "St" and (is_name or re.fullmatch(r"\d+(?:st|nd|rd|th)", name))
    return "Street" if is_street else TITLES[found[1]]


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


def _rate(found: re.Match) -> str:
    return f"{' ' if found[2] else ''}{RATES[found[1] or found[2]]}"


def _unit(found: re.Match) -> str:
    """A unit in words: singular in "the 100 m final"; "80s" and "25m" are more often years and millions."""
    article, number, space, unit, next_word = found.groups()
    if not space and len(unit) == 1:
        return found[0]
    name = UNITS[unit]
    is_attribute = article and next_word and next_word.upper() not in FUNCTION_WORDS
    if number != "1" and not is_attribute:
        name = PLURALS.get(name, f"{name}s")
    return f"{article or ''}{number} {name}"


def _capitals(found: re.Match) -> str:
    words = found[0].split()
    has_pronoun = "IT" in words or "US" in words[1:]  # beside a word that is no acronym, "STOP IT"
    is_text = FUNCTION_WORDS & set(words) or (has_pronoun and set(words) - ACRONYMS - PRONOUNS - {"I", "A"})
    if not is_text or all(word in ("I", "A") for word in words):
        return found[0]
    return re.sub(r"\S+", lambda word: word[0] if _is_acronym(word) else word[0].lower(), found[0])


def _is_acronym(word: re.Match) -> bool:
    """Whether a word of a text in capitals is an acronym; US is one after THE, and first before a noun."""
    if word[0] != "US":
        return word[0] in ACRONYMS
    before, after = word.string[: word.start()].split(), word.string[word.end() :].split()
    return before[-1:] == ["THE"] or bool(not before and after and after[0] not in FUNCTION_WORDS)


@functools.cache
def _segmenter():
    from pysbd import Segmenter

    return Segmenter(language="en", clean=False)
