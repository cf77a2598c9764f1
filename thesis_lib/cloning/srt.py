"""Read the subtitles of an SRT file."""

import re
from dataclasses import dataclass
from pathlib import Path

from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.subtitles import WORD_JOINER

CLOCK = r"(\d+):([0-5]?\d):([0-5]?\d)[,.](\d{1,3})"
TIMES = re.compile(rf"\s*{CLOCK}\s*-->\s*{CLOCK}(\s.*)?")
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
        if "-->" in line:
            if not (times := TIMES.fullmatch(line)):
                example = "write 00:00:01,000 --> 00:00:02,500; no text may hold an arrow"
                raise CloningError(f"{path}, line {number}: {line.strip()!r} is not a valid time line: {example}")
            start, end = _seconds(*times.groups()[:4]), _seconds(*times.groups()[4:8])
            if end <= start:
                raise CloningError(f"{path}, line {number}: the subtitle ends before it begins: correct its times")
            found.append((number, start, end, []))
        elif found and not (line.strip().isdigit() and "-->" in "".join(lines[number : number + 1])):
            found[-1][3].append(line)
    if not found:
        raise CloningError(f"{path}: no subtitles: write an SRT file, or a script in JSON")
    cues = [SrtCue(line, a, b, one_line(MARKUP.sub("", " ".join(words)))) for line, a, b, words in found]
    return sorted(cues, key=lambda cue: (cue.start, cue.end))


def one_line(text: str) -> str:
    """A text as it is read again after it was written to an SRT file: single spaces, no word joiner."""
    return " ".join(text.replace(WORD_JOINER, "").split())


def _seconds(hours: str, minutes: str, seconds: str, fraction: str) -> float:
    milliseconds = 1000 * (3600 * int(hours) + 60 * int(minutes) + int(seconds)) + int(fraction.ljust(3, "0"))
    return milliseconds / 1000
