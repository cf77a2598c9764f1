"""English and Spanish abbreviations in words: titles, units of address, Latin phrases, months and initials."""

import functools
import re

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
SHORT_MONTHS = {month[:3]: month for month in MONTHS if month != "May"} | {"Sept": "September"}
# Before a name.
TITLES = {
    "Dr": "Doctor", "Mr": "Mister", "Mrs": "Missis", "Ms": "Miz", "Prof": "Professor", "Gen": "General",
    "Capt": "Captain", "Sgt": "Sergeant", "Lt": "Lieutenant", "Rev": "Reverend", "Sen": "Senator", "Gov": "Governor",
    "St": "Saint", "Mt": "Mount", "Ft": "Fort", "Fr": "Father", "Hon": "Honorable", "Mme": "Madame",
    "Pres": "President", "Rep": "Representative", "Supt": "Superintendent", "Insp": "Inspector", "Col": "Colonel",
    "Maj": "Major", "Adm": "Admiral", "Cmdr": "Commander", "Brig": "Brigadier", "Cpl": "Corporal", "Pvt": "Private",
    "Messrs": "Messieurs", "Rt": "Right", "Ste": "Sainte", "Wm": "William", "Chas": "Charles", "Univ": "University",
    "Sr": "Señor", "Sra": "Señora", "Srta": "Señorita", "Sres": "Señores", "Dra": "Doctora", "Dres": "Doctores",
    "Dña": "Doña", "Lic": "Licenciado", "Ing": "Ingeniero", "Arq": "Arquitecto", "Gral": "General", "Sto": "Santo",
    "Sta": "Santa", "Avda": "Avenida", "Cía": "Compañía",
}  # fmt: skip
ABBREVIATIONS = {
    "e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "vs.": "versus", "approx.": "approximately",
    "a.m.": "AM", "p.m.": "PM", "a. m.": "AM", "p. m.": "PM", "m.p.h.": "miles per hour", "cf.": "compare",
    "viz.": "namely", "Ph.D.": "PhD", "et al.": "and others", "Jr.": "Junior", "Sr.": "Senior",
    "Ave.": "Avenue", "Blvd.": "Boulevard", "Rd.": "Road", "St.": "Street", "dept.": "department",
    "Inc.": "Incorporated", "Corp.": "Corporation", "Bros.": "Brothers", "Ltd.": "Limited", "Co.": "Company",
    "Ud.": "usted", "Uds.": "ustedes", "EE.UU.": "United States",
}  # fmt: skip
NOT_AT_THE_END = frozenset(("e.g.", "i.e.", "vs.", "approx.", "cf.", "viz."))  # of a sentence
# Before a number.
NUMBERED = {
    "No": "number", "p": "page", "pp": "pages", "vol": "volume", "Vol": "Volume", "fig": "figure", "Fig": "Figure",
    "c": "circa", "ca": "circa", "est": "established", "tel": "telephone", "Tel": "Telephone", "Nos": "numbers",
    "ch": "chapter", "Apt": "Apartment", "Hwy": "Highway", "Rte": "Route", "núm": "number", "Núm": "Number",
    "pág": "page", "Pág": "Page", "págs": "pages",
}  # fmt: skip
WORDS_IN_CAPITALS = ("CO.", "CF.")  # acronyms at the end of a sentence
# Words in capitals that are no acronyms.
FUNCTION_WORDS = frozenset(
    "IS ARE WAS WERE BE AM THE A AN AND OR BUT OF TO IN ON AT FOR WITH NOT NO YOU HE SHE WE THEY THIS THAT MY YOUR DO "  # noqa: SIM905
    "DOES DID WILL CAN HAVE HAS HAD GO WHAT WHO WHEN WHERE WHY HOW ALL SO IF BY FROM AS".split()
)
# Words that begin a sentence after an abbreviation; another word may be a name, and the sentence goes on.
OPENERS = frozenset(word.capitalize() for word in FUNCTION_WORDS - {"A"}) | frozenset(
    ("It", "I", "Then", "There", "These", "Those", "Its", "His", "Her", "Their", "Our", "After", "Before", "However")
)
SAINTS = frozenset(
    ("Mount", "Fort", "Port", "Lake", "Cape", "Saint", "Sault", "Pope", "Bishop", "Apostle")
)  # "Lake St. Clair"


def _in_every_case(words: dict[str, str]) -> dict[str, str]:
    """The table with each abbreviation also in capitals and with one capital, "E.g.": "For example"."""
    capitals = {short.upper(): word.upper() for short, word in words.items() if short.upper() not in WORDS_IN_CAPITALS}
    return (
        capitals | {short[0].upper() + short[1:]: word[0].upper() + word[1:] for short, word in words.items()} | words
    )


ALL_TITLES, ALL_ABBREVIATIONS = _in_every_case(TITLES), _in_every_case(ABBREVIATIONS)


def last_word(text: str) -> str:
    """The last word of a text, without an opening quotation mark or bracket."""
    return (text.split() or [""])[-1].lstrip("([\"'“‘")


def ends_in_abbreviation(text: str) -> bool:
    """Whether the last full stop belongs to an abbreviation or an initial, so that the sentence may go on."""
    last = last_word(text)
    is_known = bool(re.search(rf"(?<!\w)(?:{either(ALL_ABBREVIATIONS)})$", text.rstrip()))
    is_known |= last.endswith(".") and (last[:-1] in ALL_TITLES or last[:-1] in NUMBERED or last[:-1] in SHORT_MONTHS)
    return is_known or bool(re.fullmatch(r"(?:[A-Z]\.)+", last))


def either(words) -> str:
    """A pattern of any of the words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def at_sentence_ends(text: str) -> list[str]:
    """Split a text after each abbreviation that one of the ``OPENERS`` follows."""
    places = [0, *(found.end() for found in _sentence_end().finditer(text)), len(text)]
    return [text[start:end] for start, end in zip(places, places[1:], strict=False)]


@functools.cache
def _sentence_end() -> re.Pattern:
    last = [short for short in ALL_ABBREVIATIONS if short.lower() not in NOT_AT_THE_END]
    return re.compile(
        rf"(?<!\w)(?:{either(last)}|(?:[A-Z]\.){{2,}})[\"'”’)]*\s+(?=[\"'“‘(]*(?:{either(OPENERS)})(?![\w-]))"
    )


@functools.cache
def abbreviation_rules() -> tuple:
    """Pairs of a pattern and what replaces it, for ``re.sub``."""
    numbered, months = either(NUMBERED), either(SHORT_MONTHS)
    return (
        (re.compile(r"(?<=\d)([AaPp])\.\s?[Mm]\."), lambda found: f" {found[1].upper()}M"),  # "5p.m."
        (re.compile(rf"\b({either(ALL_TITLES)})\.(?=\s+[A-ZÀ-ÖØ-Þ])"), _title),
        (re.compile(rf"(?<!\w)({either(ALL_ABBREVIATIONS)})(?!\w)"), lambda found: ALL_ABBREVIATIONS[found[1]]),
        (re.compile(rf"\b({numbered})\.(?=\s*\+?\d)"), lambda found: NUMBERED[found[1]]),
        (re.compile(r"(?:\b[Nn]\.?[º°]|№)\s?(?=\d)"), "number "),
        (re.compile(rf"\b({months})\.(?=\s*\d)|(?<=\d )({months})\."), lambda f: SHORT_MONTHS[f[1] or f[2]]),
        (re.compile(r"\b(?:[A-Z]\.){2,}"), lambda found: found[0].replace(".", "")),
    )


def _title(found: re.Match) -> str:
    """A title in words; "St." after a name is a street: "on Main St. today", but "In St. Louis".

    One in capitals is a title only before a name in capitals: "He has MS. Patients know it".
    """
    if found[1].isupper() and not re.match(
        r"\.\s+[A-ZÀ-ÖØ-Þ](?:[A-ZÀ-ÖØ-Þ]|\.\s+[A-ZÀ-ÖØ-Þ]{2})", found.string[found.end(1) :]
    ):
        return found[0]
    before = found.string[: found.start()].split()
    name = before[-1] if before else ""
    is_name = len(before) > 1 and name.isalpha() and name[0].isupper() and name.capitalize() not in OPENERS | SAINTS
    is_street = found[1].upper() == "ST" and (is_name or re.fullmatch(r"\d+(?:st|nd|rd|th)", name))
    return ALL_ABBREVIATIONS[f"{found[1]}."] if is_street else ALL_TITLES[found[1]]
