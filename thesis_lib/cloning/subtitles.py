"""Write subtitles as SRT and WebVTT with pysubs2; long cues are split into cues of two short lines.

A cue stays longer, where the next one leaves time, so that at most ``MAX_CHARS_PER_SECOND`` have to be read. Characters
that a format or a player reads as markup are escaped.
"""

import html
import re
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path

from thesis_lib.cloning.segments import SynthesisedSegment
from thesis_lib.utils.files import write_text

MAX_LINE_CHARS, MAX_CUE_LINES = 42, 2  # as broadcasters advise
MAX_CHARS_PER_SECOND = 20.0  # of reading, where the time allows it
WORD_JOINER = "\u2060"  # without width; SRT has no other escape
FULL_WIDTH_BRACES = str.maketrans("{}", "｛｝")  # in SRT and MP4, where players take text in braces for commands
Cue = tuple[float, float, str]  # start in s, end in s, text
FORMATS = ("srt", "vtt")
LANGUAGES = ("es", "en")
SPEAKER = "Speaker"  # first word of the name of a speaker without a given one


def default_names(labels: Iterable[str]) -> dict[str, str]:
    """Label -> "Speaker LABEL" of several speakers; empty for one."""
    names = {label: f"{SPEAKER} {label}" for label in labels}
    return names if len(names) > 1 else {}


def subtitle_paths(stem: Path, language: str) -> list[Path]:
    """STEM.LANGUAGE.srt and STEM.LANGUAGE.vtt."""
    return [stem.with_name(f"{stem.name}.{language}.{suffix}") for suffix in FORMATS]


def write_subtitles(stem: Path, language: str, cues: Iterable[Cue]) -> list[Path]:
    """Write the files ``subtitle_paths``, each atomically; return their paths."""
    shown, paths = _shown(cues), subtitle_paths(stem, language)
    for path in paths:
        write_text(path, _encoded(shown, path.suffix[1:]))
    return paths


def cues_of(
    segments: Iterable[SynthesisedSegment], delay: float = 0.0, names: Mapping[str, str] | None = None
) -> dict[str, list[Cue]]:
    """Language -> cues: the transcript at its place in the source, the English at its place in the output.

    A language without cues is left out. ``delay`` (s) is added to all times: that of a video's audio after its picture.
    ``names``: label of a speaker -> name, which stands before the text.
    """
    spanish, english = [], []
    for segment in segments:
        translated, place = segment.translated, segment.translated.segment
        name = (names or {}).get(place.speaker)
        said = f"{name}: " if name else ""
        if translated.transcript:
            spanish.append((place.start + delay, place.end + delay, said + translated.transcript))
        if translated.english:
            english.append((segment.start + delay, segment.end + delay, said + translated.english))
    return {language: cues for language, cues in zip(LANGUAGES, (spanish, english), strict=True) if cues}


def write_both(target: Path, cues: Mapping[str, Iterable[Cue]]) -> tuple[str, ...]:
    """Write the subtitles of each language beside the target; return their paths."""
    stem = target.with_suffix("")
    return tuple(str(path) for language in cues for path in write_subtitles(stem, language, cues[language]))


def embedded_cues(cues: Mapping[str, Iterable[Cue]], codec: str) -> dict[str, list[Cue]]:
    """The cues of each language as a video holds them in subtitles of FFmpeg's ``codec``."""
    kind = {"subrip": "srt", "webvtt": "vtt"}.get(codec, codec)
    return {
        language: [(start, end, _escaped(text, kind)) for start, end, text in _shown(cues[language])]
        for language in cues
    }


def _shown(cues: Iterable[Cue]) -> list[Cue]:
    """The cues as they are shown: without control characters, prolonged where there is time, split into short ones."""
    clean = [(start, end, re.sub(r"[\x00-\x08\x0e-\x1f\x7f]", "", text)) for start, end, text in cues]
    return [short for cue in _prolonged(clean) for short in _readable(*cue)]


def srt_text(cues: Iterable[Cue]) -> str:
    """The cues in SRT, one for one."""
    return _encoded(cues, "srt")


def _encoded(cues: Iterable[Cue], kind: str) -> str:
    import pysubs2

    file = pysubs2.SSAFile()
    for start, end, text in cues:
        escaped = _escaped(text, kind).translate(_TO_PRIVATE).replace("\n", r"\N")
        file.append(pysubs2.SSAEvent(start=round(1000 * start), end=round(1000 * end), text=escaped))
    return file.to_string(kind).translate(_FROM_PRIVATE)


# pysubs2 reads braces and backslashes as markup: other characters stand for them until it has written.
_TO_PRIVATE = {ord(sign): chr(0xE000 + number) for number, sign in enumerate("{}\\")}
_FROM_PRIVATE = {ord(private): chr(sign) for sign, private in _TO_PRIVATE.items()}


def _escaped(text: str, kind: str) -> str:
    """The text as it is written in a format, so that a player shows it as it is."""
    if kind == "vtt":
        return html.escape(text, quote=False)  # also of "-->", which a VTT cue must not hold
    # FFmpeg makes ASS of the others, where a backslash begins a command, and so does a brace; mov_text has no tags.
    joined = r"\\" if kind == "mov_text" else r"<|\\|--(?=>)"
    return re.sub(joined, lambda found: found[0] + WORD_JOINER, text).translate(FULL_WIDTH_BRACES)


def _prolonged(cues: list[Cue]) -> list[Cue]:
    """Let each cue last until it can be read, or until the next one."""
    found = []
    for number, (start, end, text) in enumerate(cues):
        limit = cues[number + 1][0] if number + 1 < len(cues) else float("inf")
        found.append((start, max(end, min(start + len(text) / MAX_CHARS_PER_SECOND, limit)), text))
    return found


def _readable(start: float, end: float, text: str) -> list[Cue]:
    """Split a cue into cues of at most ``MAX_CUE_LINES`` lines; each lasts in proportion to its letters."""
    count = len(textwrap.wrap(text, MAX_LINE_CHARS))
    # The narrowest width with the same number of lines, so that no single word is left on the last line. The spaces
    # where a line breaks count in the text, but not in its lines.
    narrowest = min(MAX_LINE_CHARS, -(-len(text) // count))
    lines = next(x for w in range(narrowest, MAX_LINE_CHARS + 1) if len(x := textwrap.wrap(text, w)) <= count)
    texts = ["\n".join(lines[i : i + MAX_CUE_LINES]) for i in range(0, len(lines), MAX_CUE_LINES)]
    total, shown, found = sum(map(len, texts)), 0, []
    for short in texts:
        before, shown = shown, shown + len(short)
        found.append((start + (end - start) * before / total, start + (end - start) * shown / total, short))
    return found
