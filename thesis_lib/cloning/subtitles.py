"""Write subtitles as SRT and WebVTT with pysubs2; long cues are split into cues of two short lines."""

import textwrap
from collections.abc import Iterable
from pathlib import Path

from thesis_lib.utils.files import replacing

MAX_LINE_CHARS, MAX_CUE_LINES = 42, 2  # as broadcasters advise
Cue = tuple[float, float, str]  # start in s, end in s, text
FORMATS = ("srt", "vtt")


def write_subtitles(stem: Path, language: str, cues: Iterable[Cue]) -> list[Path]:
    """Write STEM.LANGUAGE.srt and STEM.LANGUAGE.vtt, each atomically; return their paths."""
    import pysubs2

    file = pysubs2.SSAFile()
    for start, end, text in (short for cue in cues for short in _readable(*cue)):
        file.append(pysubs2.SSAEvent(start=round(1000 * start), end=round(1000 * end), text=text.replace("\n", r"\N")))
    paths = [stem.with_name(f"{stem.name}.{language}.{suffix}") for suffix in FORMATS]
    for path in paths:
        with replacing(path) as partial:
            file.save(str(partial), format_=path.suffix[1:])
    return paths


def _readable(start: float, end: float, text: str) -> list[Cue]:
    """Split a cue into cues of at most ``MAX_CUE_LINES`` lines; each lasts in proportion to its letters."""
    count = len(textwrap.wrap(text, MAX_LINE_CHARS))
    # The narrowest width with the same number of lines, so that no single word is left on the last line.
    lines = next(
        x for w in range(-(-len(text) // count), MAX_LINE_CHARS + 1) if len(x := textwrap.wrap(text, w)) <= count
    )
    texts = ["\n".join(lines[i : i + MAX_CUE_LINES]) for i in range(0, len(lines), MAX_CUE_LINES)]
    total, shown, found = sum(map(len, texts)), 0, []
    for short in texts:
        before, shown = shown, shown + len(short)
        found.append((start + (end - start) * before / total, start + (end - start) * shown / total, short))
    return found
