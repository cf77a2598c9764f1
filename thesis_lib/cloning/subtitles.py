"""Subtitles as SRT and WebVTT, by pysubs2: cues that can be read, two short lines at a time."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

from thesis_lib.utils.files import replacing

WIDTH, LINES = 42, 2  # characters a line and lines a cue, as broadcasters advise
Cue = tuple[float, float, str]  # s, s, what is said between them
FORMATS = ("srt", "vtt")


def write_subtitles(stem: Path, language: str, cues: Iterable[Cue]) -> list[Path]:
    """STEM.LANGUAGE.srt and .vtt, each whole or not there; returns their paths."""
    import pysubs2

    file = pysubs2.SSAFile()
    for start, end, text in (part for cue in cues for part in _readable(*cue)):
        file.append(pysubs2.SSAEvent(start=round(1000 * start), end=round(1000 * end), text=text.replace("\n", r"\N")))
    paths = [stem.with_name(f"{stem.name}.{language}.{suffix}") for suffix in FORMATS]
    for path in paths:
        with replacing(path) as partial:
            file.save(str(partial), format_=path.suffix[1:])
    return paths


def _readable(start: float, end: float, text: str) -> list[Cue]:
    """A long cue in parts of ``LINES`` lines, each for as long as its share of the letters."""
    count = len(textwrap.wrap(text, WIDTH))
    # As narrow as that number of lines allows: no word is left alone on the last one.
    lines = next(x for w in range(-(-len(text) // count), WIDTH + 1) if len(x := textwrap.wrap(text, w)) <= count)
    parts = ["\n".join(lines[i : i + LINES]) for i in range(0, len(lines), LINES)]
    total, said, found = sum(map(len, parts)), 0, []
    for part in parts:
        begin, said = said, said + len(part)
        found.append((start + (end - start) * begin / total, start + (end - start) * said / total, part))
    return found
