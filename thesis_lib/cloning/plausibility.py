"""Decide which translations are spoken: not those in another language, without words, or that Whisper has made up.

On speech that it cannot recognise, Whisper repeats a phrase with variations. Its own signs of that are a text that
compresses too well and a low probability (Radford et al. 2022, arXiv:2212.04356, section 4.5: 2.4 and -1). Others are
a text with more letters than can be spoken in the time, and one word many times in a row, which a short text may have
without compressing that well.
"""

import zlib
from dataclasses import dataclass
from itertools import groupby

from thesis_lib.audio.errors import AudioError
from thesis_lib.cloning.readings import has_words
from thesis_lib.cloning.segments import SynthesisedSegment
from thesis_lib.cloning.translated import TAKEN_FOR_SPANISH, Translated

MAX_COMPRESSION_RATIO = 2.4  # characters over bytes after zlib; Whisper's own limit
MAX_REPEATED_WORDS = 5  # the same word in a row; Whisper, kept from repeating six tokens, ends a loop after six
MIN_LOG_PROBABILITY = -1.0  # mean of a token, natural logarithm; Whisper's own limit
MAX_NO_SPEECH_PROBABILITY = 0.6  # above which a text of low probability is none; Whisper's own limit
MAX_LETTERS_PER_SECOND = 25.0  # twice a fast speaker's; human Spanish gives 5 to 14 English letters a second
MIN_COUNTED_SECONDS = 1.0  # shorter speech may have the letters of this time
MIN_LANGUAGE_SECONDS = 2.0  # speech needed to identify its language
MIN_OTHER_LANGUAGE_PROBABILITY = 0.9  # from which a segment in another language is left out
MIN_OTHER_LANGUAGE_SHARE = 0.8  # mean probability over a recording without Spanish, from which it is refused
# Of a text that is left in Spanish: so many different words of the first list, so large a share of all words, and none
# of the second list: an English text may have Spanish names in it.
MIN_SPANISH_WORDS, MIN_SPANISH_SHARE = 2, 0.2
SPANISH_WORDS = frozenset(
    "al aunque con cuando de del desde donde el en es esta este hasta hay la las los más muy para pero por porque que "  # noqa: SIM905
    "según su sus también un una y ya".split()
)
ENGLISH_WORDS = frozenset(
    "and are at by for from his her in is it of on she that the they this to was we were with you".split()  # noqa: SIM905
)
MAX_OVERHANG_SECONDS = 0.5  # of speech after the end of a video's picture, above which it is noted
MAX_LENGTHENING = 2.5  # output over source, above which the length is noted


def improbable(text: str, seconds: float) -> str:
    """Reason why a text is an improbable translation of speech of this duration; "" if it is plausible."""
    stored = text.encode()
    if text and (ratio := len(stored) / len(zlib.compress(stored))) > MAX_COMPRESSION_RATIO:
        return f"the translation repeats itself (compression ratio {ratio:.1f})"
    words = filter(None, ("".join(filter(str.isalnum, word)).lower() for word in text.split()))
    count, word = max(((len(list(same)), word) for word, same in groupby(words)), default=(0, ""))
    if count > MAX_REPEATED_WORDS:
        return f"the translation repeats itself ('{word}' {count} times in a row)"
    letters = sum(letter.isalnum() for letter in text)
    if letters > MAX_LETTERS_PER_SECOND * max(seconds, MIN_COUNTED_SECONDS):
        return f"the translation has {letters} letters, more than can be spoken in {seconds:.1f} s"
    return ""


def is_in_spanish(text: str) -> bool:
    """Whether a translation is left in Spanish, by its frequent short words.

    Whisper sometimes writes down what was said instead of a translation; beam search prefers such a text.
    """
    words = ["".join(filter(str.isalnum, word)).lower() for word in text.split()]
    found = [word for word in words if word in SPANISH_WORDS]
    is_frequent = len(set(found)) >= MIN_SPANISH_WORDS and len(found) >= MIN_SPANISH_SHARE * len(words)
    return is_frequent and ENGLISH_WORDS.isdisjoint(words)


def is_other_language(language: str, probability: float, seconds: float) -> bool:
    """Whether a segment of this duration is left out, because it is not Spanish."""
    is_certain = probability >= MIN_OTHER_LANGUAGE_PROBABILITY and seconds >= MIN_LANGUAGE_SECONDS
    return language not in TAKEN_FOR_SPANISH and is_certain


def left_out(found: Translated, seconds: float) -> str:
    """The reason why a segment is not synthesised; "" if it is."""
    if is_other_language(found.language, found.language_probability, seconds):
        return f"the language is '{found.language}' (probability {found.language_probability:.0%})"
    if not has_words(found.english):
        return "no words recognised"
    is_low = found.log_probability < MIN_LOG_PROBABILITY
    if is_low and found.no_speech_probability > MAX_NO_SPEECH_PROBABILITY:
        return f"no intelligible speech (probability {found.no_speech_probability:.0%})"
    return improbable(found.english, seconds)


def doubts(found: Translated) -> list[str]:
    """What is uncertain about a segment that is spoken."""
    notes = []
    if found.is_foreign:
        notes.append(f"the language seems to be '{found.language}', translated as Spanish")
    if is_in_spanish(found.english):
        notes.append("the translation is left in Spanish")
    if found.log_probability < MIN_LOG_PROBABILITY:
        notes.append(f"the translation is uncertain (mean log-probability {found.log_probability:.1f})")
    return notes


@dataclass
class Languages:
    """Time of a recording in other languages than Spanish, weighted by their probability."""

    seconds: float = 0.0
    foreign: float = 0.0
    has_spanish: bool = False
    last: Translated | None = None  # of another language

    def add(self, found: Translated, seconds: float) -> None:
        """Count one segment, if it is long enough to identify its language."""
        if seconds < MIN_LANGUAGE_SECONDS:
            return
        self.seconds += seconds
        if found.language in TAKEN_FOR_SPANISH:
            self.has_spanish = True
        else:
            self.foreign += seconds * found.language_probability
            self.last = found

    def check_spanish(self, source: object) -> None:
        """Raise AudioError where nothing is Spanish and the clear majority is in another language."""
        if self.last and not self.has_spanish and self.foreign >= MIN_OTHER_LANGUAGE_SHARE * self.seconds:
            raise AudioError(
                f"the language of the speech is '{self.last.language}' "
                f"(probability {self.last.language_probability:.0%})",
                source,
                "only Spanish is translated: name a recording in Spanish, or give --language es if it is Spanish",
            )


def lengthening_note(spoken: float, source: float, place: str) -> str:
    """A note for speech of more than ``MAX_LENGTHENING`` times its source, both in s; else empty."""
    if spoken <= MAX_LENGTHENING * source:
        return ""
    return f"{place}: {spoken:.1f} s of English for {source:.1f} s of the source"


def lengthening_notes(segments: list[SynthesisedSegment], source: object, duration: float) -> list[str]:
    """The notes of a whole recording of ``duration`` s and of its segments."""
    places = [(s.end - s.start, s.translated.segment) for s in segments]
    each = [lengthening_note(x, of.duration, f"{source}: {of.start:.1f}-{of.end:.1f} s") for x, of in places]
    whole = lengthening_note(segments[-1].end if segments else 0.0, duration, f"{source}: the whole recording")
    found = [note for note in each if note]
    return found if not whole or (found and len(segments) == 1) else [*found, whole]


def overhang_note(speech: float, picture: float, target: object, fit: bool = False) -> str:
    """A note for speech that ends later than the picture of a video, both in s; else empty.

    ``fit``: the segments were already stretched towards the length of their source.
    """
    if speech <= picture + MAX_OVERHANG_SECONDS:
        return ""
    remedy = "shorten the text with --script" if fit else "--fit makes it shorter"
    return f"{target}: the English ends {speech - picture:.1f} s after the picture; {remedy}"
