"""The script of a recording: what was recognised and what is said, segment by segment, in a file that can be edited.

A JSON script has everything (``Script``). An SRT script has the times and the English only.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from thesis_lib.audio.files import survey
from thesis_lib.audio.voice_activity import MAIN_SPEAKER, RATE, Segment
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.prosody import MAX_SPEED, MIN_SPEED, measured_speed
from thesis_lib.cloning.readings import has_words
from thesis_lib.cloning.segments import Style, TranslatedSegment
from thesis_lib.cloning.subtitles import Cue, srt_text
from thesis_lib.utils.files import fingerprint, write_text

FORMAT = "thesis-lib script 1"
SRT = ".srt"
SCRIPT_SUFFIXES = (".json", SRT)
MAX_BEYOND_SECONDS = 0.1  # after the end of the recording, as rounding gives
CLOCK = r"(\d+):([0-5]?\d):([0-5]?\d)[,.](\d{1,3})"
SRT_TIMES = re.compile(rf"\s*{CLOCK}\s*-->\s*{CLOCK}(\s.*)?")
SRT_MARKUP = re.compile(r"</?[a-zA-Z][^>]*>|\{\\[^}]*\}")
WORD_JOINER = "\u2060"  # which ``subtitles`` writes before signs that look like markup


class ScriptSegment(BaseModel):
    """One segment: where it is in the source, what was recognised, and what is said."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    start: float = Field(ge=0)  # s in the source
    end: float = Field(gt=0)  # s in the source
    spanish: str = ""  # recognised; changing it changes nothing
    english: str = ""  # said; without a word the segment is left out
    speaker: str = MAIN_SPEAKER  # whose voice speaks
    strength: float | None = Field(None, ge=0, le=2)  # of the speaking style; None: cloning.style_strength
    speed: float | None = Field(None, ge=MIN_SPEED, le=MAX_SPEED)  # of the synthesizer; None: the source's rate
    left_out: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, translated: TranslatedSegment) -> "ScriptSegment":
        """The segment as it was translated."""
        place, style = translated.segment, translated.style
        return cls(
            start=place.start,
            end=place.end,
            spanish=translated.transcript,
            english=translated.english,
            speaker=place.speaker,
            strength=style.strength if style else None,
            speed=style.speed if style else None,
            left_out=translated.is_left_out,
            notes=translated.notes,
        )

    @property
    def is_spoken(self) -> bool:
        """Whether there is anything to speak."""
        return not self.left_out and has_words(self.english)

    def translated(self, segment: Segment, strength: float) -> TranslatedSegment:
        """What the pipeline synthesises; ``segment`` has the source's samples, ``strength`` is used without an own."""
        style = Style(strength if self.strength is None else self.strength, self.speed)
        speed, place = measured_speed(segment.wav, RATE), replace(segment, speaker=self.speaker)
        return TranslatedSegment(place, self.spanish, self.english, speed, style=style)


class Script(BaseModel):
    """The segments of one recording, which ``fingerprint`` identifies."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    format: str = FORMAT
    recording: str = ""  # name of the source
    fingerprint: str = ""  # of its file; empty: any recording
    speakers: dict[str, str] = {}  # label -> name in subtitles; empty for one speaker
    segments: tuple[ScriptSegment, ...]


def as_written(translated: TranslatedSegment, script: Path) -> TranslatedSegment:
    """Return what reading the script gives again: SRT has whole milliseconds and no style."""
    if script.suffix.lower() != SRT:
        return translated
    place = translated.segment
    rounded = replace(place, start=round(1000 * place.start) / 1000, end=round(1000 * place.end) / 1000)
    return replace(translated, segment=rounded, speed=measured_speed(place.wav, RATE), style=None)


def read_script(path: Path, source: Path) -> Script:
    """Read and check a script of a recording.

    Raises CloningError, which names the file and the segment: not UTF-8, no JSON, an unknown key, a wrong value, times
    that are negative, overlap or lie outside the recording, the script of another recording, nothing to speak.
    """
    text = _text(path)
    is_srt = path.suffix.lower() == SRT
    script = Script(segments=tuple(_srt_segments(path, text))) if is_srt else _json(path, text)
    if script.fingerprint not in ("", fingerprint(source)):
        raise CloningError(
            f"{path} is the script of another recording, {script.recording}, or {source} has changed: "
            "name another file for the script"
        )
    _check_times(path, script.segments, survey(source).seconds)
    if not any(segment.is_spoken for segment in script.segments):
        raise CloningError(f"{path}: no segment has English to speak: write at least one word")
    return script


def write_script(
    path: Path, source: Path, segments: Sequence[ScriptSegment], names: Mapping[str, str] | None = None
) -> None:
    """Write the script of a recording atomically; the suffix sets the format. SRT has no segments left out."""
    if path.suffix.lower() == SRT:
        cues: list[Cue] = [(x.start, x.end, x.english) for x in segments if x.is_spoken]
        write_text(path, srt_text(cues))
        return
    script = Script(
        recording=source.name, fingerprint=fingerprint(source), speakers=dict(names or {}), segments=tuple(segments)
    )
    tree = script.model_dump(mode="json", exclude=None if names else {"speakers"})
    write_text(path, json.dumps(tree, indent=2, ensure_ascii=False) + "\n")


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CloningError(f"{path}, line {line}: the text is not UTF-8: save the file in UTF-8") from None


def _json(path: Path, text: str) -> Script:
    try:
        script = Script.model_validate_json(text)
    except ValidationError as error:
        found = error.errors()[0]
        raise CloningError(f"{path}{_place(found['loc'])}: {found['msg']}: correct the file") from None
    if script.format != FORMAT:
        raise CloningError(f"{path}: the format is {script.format!r}, not {FORMAT!r}: name a script of this version")
    return script


def check_labels(path: Path, script: Script, known: Sequence[str]) -> None:
    """Raise CloningError, which names the segment, for a speaker that is not one of the ``known`` labels."""
    listed = ", ".join(map(repr, known))
    remedy = f"write {listed}, or give --speakers auto" if len(known) == 1 else f"write one of {listed}"
    places = [(f", segment {number}", x.speaker) for number, x in enumerate(script.segments, 1)]
    for place, label in (*places, *((", speakers", label) for label in script.speakers)):
        if label not in known:
            raise CloningError(f"{path}{place}: the speaker {label!r} is unknown: {remedy}")


def _place(loc: tuple[int | str, ...]) -> str:
    """("segments", 2, "english") -> ", segment 3, english"."""
    if len(loc) > 1 and loc[0] == "segments":
        return "".join(f", {part}" for part in (f"segment {int(loc[1]) + 1}", *loc[2:]))
    return "".join(f", {part}" for part in loc)


def _srt_segments(path: Path, text: str) -> Iterable[ScriptSegment]:
    """The cues of an SRT file, in any order; CloningError names the line of wrong times."""
    cues: list[tuple[float, float, list[str]]] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if "-->" in line:
            if not (found := SRT_TIMES.fullmatch(line)):
                raise CloningError(
                    f"{path}, line {number + 1}: {line.strip()!r} are no times: write 00:00:01,000 --> 00:00:02,500"
                )
            cues.append((_seconds(*found.groups()[:4]), _seconds(*found.groups()[4:8]), []))
        elif cues and not (line.strip().isdigit() and "-->" in "".join(lines[number + 1 : number + 2])):
            cues[-1][2].append(line)
    if not cues:
        raise CloningError(f"{path}: no subtitles: write an SRT file, or a script in JSON")
    for start, end, words in sorted(cues, key=lambda cue: cue[:2]):
        english = SRT_MARKUP.sub("", " ".join(" ".join(words).split())).replace(WORD_JOINER, "")
        if end <= start:
            raise CloningError(f"{path}: the subtitle at {start:g} s ends before it begins: correct its times")
        yield ScriptSegment(start=start, end=end, english=english)


def _seconds(hours: str, minutes: str, seconds: str, fraction: str) -> float:
    milliseconds = 1000 * (3600 * int(hours) + 60 * int(minutes) + int(seconds)) + int(fraction.ljust(3, "0"))
    return milliseconds / 1000


def _check_times(path: Path, segments: Sequence[ScriptSegment], duration: float) -> None:
    end = 0.0
    for number, segment in enumerate(segments, 1):
        place = f"{path}, segment {number} ({segment.start:g}-{segment.end:g} s)"
        if segment.end <= segment.start:
            raise CloningError(f"{place}: it ends before it begins: correct its times")
        if segment.start < end:
            raise CloningError(f"{place}: it begins before segment {number - 1} ends, at {end:g} s: correct the times")
        if segment.end > duration + MAX_BEYOND_SECONDS:
            raise CloningError(f"{place}: it lies outside the recording, which has {duration:.1f} s: correct its times")
        end = segment.end
