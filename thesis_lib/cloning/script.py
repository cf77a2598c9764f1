"""The script of a recording: what was recognised and what is said, segment by segment, in a file that can be edited.

A JSON script has everything (``Script``). An SRT script has the times and the English only; of several speakers also
their names, before the English: "Speaker 2: hello". The times in both files are those of a player: in a video with
audio that begins after the picture, they are later than in the audio track; the segments have the times of that track.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from thesis_lib.audio.files import survey
from thesis_lib.audio.video import played_times
from thesis_lib.audio.voice_activity import MAIN_SPEAKER, Segment
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.prosody import MAX_SPEED, MIN_SPEED
from thesis_lib.cloning.readings import has_words
from thesis_lib.cloning.segments import Style, TranslatedSegment
from thesis_lib.cloning.srt import SrtCue, read_srt, single_spaced, with_name, without_name
from thesis_lib.cloning.subtitles import Cue, default_names, srt_text
from thesis_lib.utils.files import cached_fingerprint, write_text
from thesis_lib.utils.process import printable

FORMAT = "thesis-lib script 1"
SRT = ".srt"
SCRIPT_SUFFIXES = (".json", SRT)
CACHE_SUFFIX = ".cache"  # of the folder beside the script
MAX_BEYOND_SECONDS = 0.1  # after the end of the recording, as rounding gives
MAX_OVERLAP_SECONDS = 0.1  # of two segments, as rounding gives; the first one is shortened
MAX_LISTED_LABELS = 5  # in an error
MICROSECOND_DIGITS = 6  # of times that were moved


class ScriptSegment(BaseModel):
    """One segment: where it is in the source, what was recognised, and what is said."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    start: float = Field(ge=0)  # s in the source's audio
    end: float = Field(gt=0)  # s in the source's audio
    spanish: str = ""  # recognised; changing it changes nothing
    english: str = ""  # said; without a word the segment is left out
    speaker: str | None = MAIN_SPEAKER  # label of the speaker with the voice of the English; None: who speaks then
    strength: float | None = Field(None, ge=0, le=2)  # of the speaking style; None: cloning.style_strength
    speed: float | None = Field(None, ge=MIN_SPEED, le=MAX_SPEED)  # of the output; None: the source's
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
        """What the pipeline synthesises; ``segment`` has the samples, ``strength`` is for a segment without one."""
        style = Style(strength if self.strength is None else self.strength, self.speed)
        place = replace(segment, speaker=self.speaker or MAIN_SPEAKER)
        return TranslatedSegment(place, self.spanish, self.english, style=style)


class Script(BaseModel):
    """The segments of one recording, which ``fingerprint`` identifies."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    format: str = FORMAT
    recording: str = ""  # name of the source
    fingerprint: str = ""  # of its file; empty: any recording
    speakers: dict[str, str] = {}  # label -> name in subtitles; empty for one speaker
    segments: tuple[ScriptSegment, ...]


def cache_folder(script: Path) -> Path:
    """The folder beside a script with its synthesised segments."""
    return script.with_name(script.name + CACHE_SUFFIX)


def as_written(translated: TranslatedSegment, script: Path, delay: float = 0.0) -> TranslatedSegment:
    """Return what reading the script gives again: SRT has whole milliseconds, single spaces and no style.

    ``delay`` (s): of the source's audio after its picture.
    """
    place, is_srt = translated.segment, script.suffix.lower() == SRT
    start, end = (_in_audio(time_in_file(time, delay, is_srt), delay) for time in (place.start, place.end))
    moved = replace(translated, segment=replace(place, start=start, end=end)) if is_srt or delay else translated
    if not is_srt:
        return moved
    return replace(moved, english=single_spaced(moved.english), style=None)


def read_script(path: Path, source: Path, names: Mapping[str, str] | None = None) -> Script:
    """Read and check a script of a recording; its times are moved to those of the audio track.

    ``names``: label -> name of speakers, which may stand before the English of an SRT script.
    Raises CloningError, which names the file and the segment or line: not UTF-8, no JSON, an unknown key, a key twice,
    a wrong value, times that are negative, overlap or lie outside the recording, the script of another recording,
    nothing to speak.
    """
    text = _text(path)
    if path.suffix.lower() == SRT:
        cues = read_srt(path, text)
        places = [f"line {cue.line}" for cue in cues]
        script = _of_srt(cues, names or {})
    else:
        script = _json(path, text)
        places = [f"segment {number}" for number in range(1, len(script.segments) + 1)]
    if script.fingerprint not in ("", cached_fingerprint(source)):
        raise CloningError(
            f"{path} was written for another recording ({single_spaced(script.recording)}), or {source} has changed "
            "since: name another file for the script"
        )
    delay, end = played_times(source)
    segments = _checked(path, places, script.segments, delay, max(end, delay + survey(source).seconds))
    if not any(segment.is_spoken for segment in segments):
        raise CloningError(f"{path}: no segment has English to speak: write at least one word")
    return script.model_copy(update={"segments": tuple(_moved(x, delay) for x in segments)})


def write_script(
    path: Path, source: Path, segments: Sequence[ScriptSegment], names: Mapping[str, str] | None = None
) -> None:
    """Write the script of a recording atomically; the suffix sets the format. SRT has no segments left out.

    The times of the segments are those of the audio track, as ``read_script`` gives them; those of the file are a
    player's. ``names``: label -> name of several speakers.
    """
    is_srt, delay = path.suffix.lower() == SRT, played_times(source)[0]
    times = [(time_in_file(x.start, delay, is_srt), time_in_file(x.end, delay, is_srt)) for x in segments]
    if is_srt:
        write_text(path, srt_text(_cues(times, segments, names or {})))
        return
    shown = [x.model_copy(update={"start": a, "end": b}) for x, (a, b) in zip(segments, times, strict=True)]
    script = Script(
        recording=printable(source.name),
        fingerprint=cached_fingerprint(source),
        speakers=dict(names or {}),
        segments=tuple(shown),
    )
    tree = script.model_dump(mode="json", exclude=None if names else {"speakers"})
    write_text(path, json.dumps(tree, indent=2, ensure_ascii=False) + "\n")


def time_in_file(time: float, delay: float, is_srt: bool = False) -> float:
    """The time in s that a script has for a time in the audio track, which begins ``delay`` s after the picture."""
    if is_srt:
        return round(1000 * (time + delay)) / 1000
    return round(time + delay, MICROSECOND_DIGITS) if delay else time


def _in_audio(time: float, delay: float) -> float:
    return max(0.0, time - delay)


def _moved(segment: ScriptSegment, delay: float) -> ScriptSegment:
    """The segment of a file with the times of the audio track."""
    return segment.model_copy(update={name: _in_audio(getattr(segment, name), delay) for name in ("start", "end")})


def _of_srt(cues: Sequence[SrtCue], names: Mapping[str, str]) -> Script:
    """The script of subtitles. A subtitle without a known name has no speaker."""
    said = [without_name(cue.text, names) for cue in cues]
    labels = {label for label, _ in said}
    used = {label: name for label, name in names.items() if label in labels}
    segments = (
        ScriptSegment(start=cue.start, end=cue.end, english=english, speaker=label)
        for cue, (label, english) in zip(cues, said, strict=True)
    )
    return Script(speakers=used, segments=tuple(segments))


def _cues(
    times: Sequence[tuple[float, float]], segments: Sequence[ScriptSegment], names: Mapping[str, str]
) -> Iterator[Cue]:
    """The subtitles of the segments that are spoken, with the names of several speakers."""
    spoken = [(*time, x) for time, x in zip(times, segments, strict=True) if x.is_spoken]
    shown = default_names(x.speaker for *_, x in spoken if x.speaker)
    shown = {label: names.get(label) or name for label, name in shown.items()}
    for start, end, x in spoken:
        text = single_spaced(x.english)
        yield start, end, with_name(text, shown[x.speaker]) if x.speaker in shown else text


def _text(path: Path) -> str:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
        wrong = data.find(b"\0")  # of UTF-16 without a mark
    except UnicodeDecodeError as error:
        wrong = error.start
    if wrong >= 0:
        line = data[:wrong].count(b"\n") + 1
        raise CloningError(f"{path}, line {line}: the text is not UTF-8: save the file in UTF-8")
    return text


def _json(path: Path, text: str) -> Script:
    try:
        script = Script.model_validate_json(text)
    except ValidationError as error:
        found = error.errors()[0]
        raise CloningError(f"{path}{_place(found['loc'])}: {found['msg']}: correct the file") from None
    _check_keys(path, text)
    if script.format != FORMAT:
        raise CloningError(f"{path}: the format is {script.format!r}, not {FORMAT!r}: name a script of this version")
    return script


def check_labels(path: Path, script: Script, known: Sequence[str]) -> None:
    """Raise CloningError, which names the segment, for a speaker that is not one of the ``known`` labels."""
    listed = f"{known[0]!r} to {known[-1]!r}" if len(known) > MAX_LISTED_LABELS else ", ".join(map(repr, known))
    remedy = f"write {listed}, or give --speakers auto" if len(known) == 1 else f"write one of {listed}"
    what = "subtitle" if path.suffix.lower() == SRT else "segment"
    places = [(f", {what} {number}", x.speaker) for number, x in enumerate(script.segments, 1)]
    for place, label in (*places, *((", speakers", label) for label in script.speakers)):
        if label is not None and label not in known:
            raise CloningError(f"{path}{place}: the speaker {label!r} is unknown: {remedy}")


def _place(loc: tuple[int | str, ...]) -> str:
    """("segments", 2, "english") -> ", segment 3, english"."""
    if len(loc) > 1 and loc[0] == "segments":
        loc = (f"segment {int(loc[1]) + 1}", *loc[2:])
    return "".join(f", {single_spaced(str(part))}" for part in loc)


def _check_keys(path: Path, text: str) -> None:
    """Raise CloningError for a key that an object has twice: JSON would take the last one."""

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        names = [name for name, _ in pairs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise CloningError(f"{path}: the key {twice!r} stands twice in the same braces: remove one")
        return dict(pairs)

    json.loads(text, object_pairs_hook=unique)


def _checked(
    path: Path, names: Sequence[str], segments: Sequence[ScriptSegment], begin: float, end: float
) -> list[ScriptSegment]:
    """Check the times of a file against those of the audio's beginning and the recording's end, in s.

    A small overlap is removed from the end of the first segment.
    """
    found: list[ScriptSegment] = []
    for number, (name, segment) in enumerate(zip(names, segments, strict=True)):
        place = f"{path}, {name} ({segment.start:g}-{segment.end:g} s)"
        if segment.end <= segment.start:
            raise CloningError(f"{place}: it ends before it begins: correct its times")
        if segment.end <= begin:
            raise CloningError(f"{place}: it ends before the audio begins, at {begin:.1f} s: correct its times")
        if segment.end > end + MAX_BEYOND_SECONDS:
            reason = f"it ends at {segment.end:g} s, after the end of the recording ({end:.1f} s)"
            raise CloningError(f"{place}: {reason}: correct its times")
        if found and segment.start < (before := found[-1]).end:
            if before.end - segment.start > MAX_OVERLAP_SECONDS or segment.start <= before.start:
                reason = f"it begins before {names[number - 1]} ends, at {before.end:g} s"
                raise CloningError(f"{place}: {reason}: correct the times")
            found[-1] = before.model_copy(update={"end": segment.start})
        found.append(segment)
    return found
