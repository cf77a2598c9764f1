"""Read the subtitles of an SRT file, and the name of the speaker before the text of one."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.subtitles import FULL_WIDTH_BRACES, SPEAKER, WORD_JOINER

CLOCK = r"(\d{1,9}):([0-5]?\d):([0-5]?\d)[,.](\d{1,3})"
LIKE_CLOCK = r"\d{1,2}\s*:\s*\d{2}\s*:\s*\d{2}\s*[,.:]\s*\d{1,3}"
LIKE_TIMES = re.compile(rf"\s*{LIKE_CLOCK}\W+{LIKE_CLOCK}\s*")  # times with a mistake, such as another arrow
TIMES = re.compile(rf"\s*{CLOCK}\s*-->\s*{CLOCK}(\s.*)?")
LABELLED = re.compile(rf"{SPEAKER} (\d{{1,9}}):\s*(.*)", re.DOTALL)
MAX_QUOTED_CHARS = 80  # of a line, in an error
ASCII_BRACES = {full_width: brace for brace, full_width in FULL_WIDTH_BRACES.items()}
MARKUP = re.compile(r"</?[a-zA-Z][^>]*>|\{\\[^}]*\}")


@dataclass(frozen=True)
class SrtCue:
    """One subtitle."""

    line: int  # of its times in the file, from 1
    start: float  # s
    end: float  # s
    text: str  # on one line, without markup


def read_srt(path: Path, text: str) -> list[SrtCue]:
    """The subtitles in a file's text, by their times.

    Raises CloningError, which names the line: a time line that is not valid, a subtitle that ends before it begins, no
    subtitle.
    """
    found: list[tuple[int, float, float, list[str]]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        if "-->" in line or LIKE_TIMES.fullmatch(line):
            if not (times := TIMES.fullmatch(line)):
                example = "write 00:00:01,000 --> 00:00:02,500; no text may hold an arrow"
                quoted = line.strip()[:MAX_QUOTED_CHARS]
                raise CloningError(f"{path}, line {number}: {quoted!r} is not a valid time line: {example}")
            start, end = _seconds(*times.groups()[:4]), _seconds(*times.groups()[4:8])
            if end <= start:
                raise CloningError(f"{path}, line {number}: the subtitle ends before it begins: correct its times")
            found.append((number, start, end, []))
        elif found and not (line.strip().isdigit() and "-->" in "".join(lines[number : number + 1])):
            found[-1][3].append(line)
    if not found:
        raise CloningError(f"{path}: no subtitles: write an SRT file, or a script in JSON")
    cues = [SrtCue(line, a, b, single_spaced(MARKUP.sub("", " ".join(words)))) for line, a, b, words in found]
    return sorted(cues, key=lambda cue: (cue.start, cue.end))


def single_spaced(text: str) -> str:
    """A text as it is read again after it was written to an SRT file: single spaces, no word joiner, ASCII braces."""
    return " ".join(text.replace(WORD_JOINER, "").translate(ASCII_BRACES).split())


def with_name(text: str, name: str) -> str:
    """("hello", "Ana") -> "Ana: hello"."""
    return f"{single_spaced(name)}: {text}".strip()


def without_name(text: str, names: Mapping[str, str]) -> tuple[str | None, str]:
    """("Ana: hello", {"2": "Ana"}) -> ("2", "hello"), the label and the text; the label is None without a known name.

    "Speaker 2" is always the name of "2".
    """
    for label, name in names.items():
        if text.startswith(start := with_name("", name)):
            return label, text.removeprefix(start).strip()
    found = LABELLED.fullmatch(text)
    return (found[1], found[2]) if found else (None, text)


def _seconds(hours: str, minutes: str, seconds: str, fraction: str) -> float:
    milliseconds = 1000 * (3600 * int(hours) + 60 * int(minutes) + int(seconds)) + int(fraction.ljust(3, "0"))
    return milliseconds / 1000
