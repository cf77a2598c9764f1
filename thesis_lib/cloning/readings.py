"""Write English text as it is read aloud: abbreviations, dates, units and capitals in words.

The phonemizer spells "km/h", reads "24/12/2024" with slashes, "IT IS" as two letters and a word and "你" as "Chinese
letter", and pauses after the full stop of "Dr.". Text without any of these is not changed.
"""

import functools
import re
import unicodedata
from collections.abc import Callable
from itertools import groupby

from thesis_lib.cloning.abbreviations import (
    ALL_ABBREVIATIONS,
    ALL_TITLES,
    FUNCTION_WORDS,
    NUMBERED,
    OPENERS,
    SHORT_MONTHS,
    abbreviation_rules,
    at_sentence_ends,
    ends_in_abbreviation,
    last_word,
)
from thesis_lib.cloning.notation import in_english_notation
from thesis_lib.cloning.quantities import ends_in_unit, goes_on_after_unit, quantity_rules

LAST_LATIN = "\u017f"  # of the letters that the phonemizer reads; it spells the code of ș and of 𝐇
# Read, or silent as ♪ is; №, ⅓ and the superscripts are not written in letters, because 10⁴ is not 104.
KEPT_SYMBOLS = "…♩♪♫♬☉№⁰⁴⁵⁶⁷⁸⁹⅓⅔⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞"
# "[LAUGHS]", "[♪ soft music playing ♪]", "[speaks French]"
SOUND = re.compile(
    r"\[[\s♪]*(?!(?:the|an?|my|your|his|her|its|our|their) )(?:[\w']+ ){0,3}(?:laughs?|laughing|laughter|applause|"
    r"giggl(?:es|ing)|chuckl(?:es|ing)|clapping|cheer(?:s|ing)|sigh(?:s|ing)|cr(?:ies|ying)|sob(?:s|bing)|groans|grunts|"
    r"scream(?:s|ing)|cough(?:s|ing)|gasp(?:s|ing)|snif(?:fs|fles)|whispering|ringing|inaudible|unintelligible|"
    r"indistinct(?: chatter)?|silence|music(?: (?:playing|plays|continues|stops|ends|fades))?|speak(?:s|ing)(?: in)? "
    r"(?:(?:a )?foreign language|spanish|french|english|german|italian|portuguese|catalan|arabic|chinese|russian))"
    r"[\s♪]*\]",
    re.IGNORECASE,
)
REPLACED_LETTERS = str.maketrans({"ʼ": "’", "ʻ": "’", "ı": "i", "ŉ": "’n"})
# Acronyms that keep their capitals beside such words; US only after THE, because it is also a pronoun.
ACRONYMS = frozenset(
    "UN EU UK USA NATO NASA ESA FBI CIA NBA NFL BBC CNN NBC MTV BMW IBM TV PC DNA RNA HIV AIDS UNESCO UNICEF IMF OECD "  # noqa: SIM905
    "OPEC UFO CEO GDP VIP ATM DVD CD AI USB GPS SMS FIFA UEFA NGO".split()
)
PRONOUNS = frozenset(("IT", "US"))  # and acronyms


def sentences(text: str) -> list[str]:
    """Split a text into sentences with pysbd; joined, they are the text.

    After an abbreviation a sentence ends only before one of the ``OPENERS``.
    """
    body = text.lstrip()
    found = _segmenter().segment(body)
    if "".join(found) != body:  # pysbd marks its places with symbols such as ♬ and ☉, and loses a text that holds them
        found = re.findall(r".+?(?:[.!?…]+[\"'”’)]*(?:\s+|$)|$)", body, re.DOTALL)
    found = _joined([part for long in found for part in at_sentence_ends(long)], _goes_on)
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
    last, first = last_word(text), (following.split() or [""])[0]
    if last.endswith(".") and last[:-1] in SHORT_MONTHS and re.search(r"\d\s+\S+$", text.rstrip()):
        return True
    if f"{last} {first}" in ALL_ABBREVIATIONS or goes_on_after_unit(text, following):
        return True
    if first[:1].islower() and re.search(r"(?<!\.)\.$", last):
        # A sentence begins with a capital, unless the whole text has none.
        return ends_in_abbreviation(text) or ends_in_unit(text) or not re.match(r"\W*[a-z]", text)
    if last.isupper() and last[:-1] in ALL_TITLES:
        return first.isupper()  # "DR. SMITH", but "He has MS. Patients know it"
    if last.endswith(".") and (last[:-1] in NUMBERED or last[:-1] in SHORT_MONTHS):
        return re.match(r"\+?\d", first)
    return ends_in_abbreviation(text) and re.sub(r"\W.*", "", first.lstrip("([\"'“‘")) not in OPENERS


def unfinished_sentence(text: str) -> str:
    """Return the last sentence of a text if it has no end yet, else ""; an ellipsis does not end a sentence.

    A finished sentence is not given as context, because Whisper then repeats or continues it, whatever the input
    (`python -m benchmarks context`).
    """
    parts = _joined(sentences(text), lambda part, _: part.rstrip().endswith(("...", "…")))
    last = parts[-1].strip() if parts else ""
    return "" if re.search(r"(?<![.…])[.!?][\"'”’)]*$", last) else last


def has_words(text: str) -> bool:
    """Whether there is a letter of the Latin alphabet or a digit to be spoken."""
    return any(sign.isalnum() for sign in in_latin(text))


def in_latin(text: str) -> str:
    """Return the text without emoji and letters of other scripts, which the phonemizer names, "Chinese letter".

    Nor has it descriptions of sounds in square brackets, as of subtitles.
    𝐇𝐞𝐥𝐥𝐨 becomes Hello, ① 1 and ș s (NFKD). A single Greek letter stays, because its name is how it is read.
    """
    text = SOUND.sub("", unicodedata.normalize("NFC", text)).translate(REPLACED_LETTERS)
    compatible = rf"[^\x00-{LAST_LATIN}{KEPT_SYMBOLS}™]"
    text = re.sub(compatible, lambda found: unicodedata.normalize("NFKD", found[0]), text)
    text = "".join(sign for sign in text if sign.isspace() or unicodedata.category(sign)[0] not in "CM")
    runs = ((is_other, "".join(run)) for is_other, run in groupby(text, _is_other))
    marked = "".join("\0" if is_other and not _is_greek_letter(run) else run for is_other, run in runs)
    return re.sub(r"^(?:\s*\0\s*)+|\s*\0(?=\W|$)|(\s*\0)", lambda found: " " if found[1] else "", marked)


def _is_other(sign: str) -> bool:
    """Whether a character is a letter or a number of another script, or a symbol with a name, such as an emoji."""
    category = unicodedata.category(sign)
    return sign > LAST_LATIN and sign not in KEPT_SYMBOLS and (category == "So" or category[0] in "LN")


def _is_greek_letter(run: str) -> bool:
    return len(run) == 1 and "Α" <= run <= "ω"


def as_read(text: str) -> str:
    """Return the text with abbreviations, dates, units and capitals in words, and without other scripts."""
    return "".join(_sentence_as_read(sentence) for sentence in sentences(text)) if has_words(text) else text


def _sentence_as_read(sentence: str) -> str:
    body = sentence.rstrip()
    read = in_latin(body)
    if not has_words(read):
        return sentence if read == body else f"...{sentence[len(body) :]}"  # a pause
    read = in_english_notation(read)
    for pattern, replacement in _rules():
        read = pattern.sub(replacement, read)
    # The full stop of a last abbreviation also ends the sentence.
    if body.endswith(".") and not read.endswith((".", "…")):
        read += "."
    return read + sentence[len(body) :]


@functools.cache
def _rules() -> tuple:
    word = r"(?![A-Z]\.)[A-Z]+(?:'[A-Z]+)?"  # "A." is an initial
    capitals = re.compile(rf"\b(?!(?<=\d )[AP]M\b){word}(?:\s+{word})+\b")
    return (*abbreviation_rules(), *quantity_rules(), (capitals, _capitals))


def _capitals(found: re.Match) -> str:
    """Words in capitals, with the common ones in small letters; the phonemizer reads the others alike, but IT and US
    as acronyms."""
    words = found[0].split()
    has_pronoun = "IT" in words or "US" in words[1:]  # beside a word that is no acronym, "STOP IT"
    is_text = FUNCTION_WORDS & set(words) or (has_pronoun and set(words) - ACRONYMS - PRONOUNS - {"I", "A"})
    return re.sub(r"\S+", _common_in_small_letters, found[0]) if is_text else found[0]


def _common_in_small_letters(word: re.Match) -> str:
    return word[0].lower() if word[0] in FUNCTION_WORDS | PRONOUNS and not _is_country(word) else word[0]


def _is_country(word: re.Match) -> bool:
    """Whether US is the country: after THE, and first before a noun."""
    if word[0] != "US":
        return False
    before, after = word.string[: word.start()].split(), word.string[word.end() :].split()
    return before[-1:] == ["THE"] or bool(not before and after and after[0] not in FUNCTION_WORDS)


@functools.cache
def _segmenter():
    from pysbd import Segmenter

    return Segmenter(language="en", clean=False)
