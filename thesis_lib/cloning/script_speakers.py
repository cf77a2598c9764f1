"""The speakers of a script's segments that have none: by the name before the English, else by who speaks at their time.

Shapes: T turns, K speakers.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from thesis_lib.cloning.recording_speakers import RecordingSpeakers
from thesis_lib.cloning.script import Script, ScriptSegment, time_in_file

NAMED = re.compile(r"([^:]{1,40}):(?: (.*))?", re.DOTALL)
MAX_LISTED = 10  # segments in a note


def with_speakers(
    path: Path, script: Script, recorded: RecordingSpeakers, delay: float = 0.0
) -> tuple[Script, tuple[str, ...]]:
    """Give each segment of the script without a speaker one of the recording; also return notes.

    The speaker is the one with the turns that overlap the segment most; where none do, the one nearest in time. If the
    English of all these segments begins with a name ("Ana: hello"), those with one name have one speaker, by the sum of
    their overlaps. ``delay`` (s): of the times in the file after those of the audio track.
    """
    if all(x.speaker is not None for x in script.segments):
        return script, ()
    names, groups = _names(script.segments), dict[str | int, list[int]]()
    for number, x in enumerate(script.segments):
        if x.speaker is None:
            groups.setdefault(names[number][0] if number in names else number, []).append(number)
    turns, segments, far = _Turns(recorded), list(script.segments), list[ScriptSegment]()
    labels: dict[str | int, str] = {}
    for key, numbers in groups.items():
        labels[key], is_overlap = turns.speaker([(segments[n].start, segments[n].end) for n in numbers])
        for n in numbers:
            english = names[n][1] if n in names else segments[n].english
            segments[n] = segments[n].model_copy(update={"speaker": labels[key], "english": english})
        far += [] if is_overlap else [segments[n] for n in numbers if segments[n].is_spoken]
    named = {name: label for name, label in labels.items() if isinstance(name, str)}
    own = {label: name for name, label in named.items() if list(named.values()).count(label) == 1}
    speakers = (own if len(recorded.by_label) > 1 else {}) | script.speakers
    notes = _notes(path, named, far, sum(x.speaker is None for x in script.segments), recorded, delay)
    return script.model_copy(update={"segments": tuple(segments), "speakers": speakers}), notes


def _names(segments: Sequence[ScriptSegment]) -> dict[int, tuple[str, str]]:
    """Number of a segment -> name and English after it; empty unless all without a speaker begin with a name.

    A colon can also be part of a sentence: so there must be several speakers, and fewer names than segments.
    """
    lines = {n: NAMED.fullmatch(x.english) for n, x in enumerate(segments) if x.speaker is None and x.is_spoken}
    found = {n: (match[1].strip(), match[2] or "") for n, match in lines.items() if match}
    names, labels = {name for name, _ in found.values()}, {x.speaker for x in segments} - {None}
    return found if len(found) == len(lines) > len(names) and len(names | labels) > 1 else {}


class _Turns:
    """The turns of a recording; without turns there is one speaker, who always speaks."""

    def __init__(self, recorded: RecordingSpeakers) -> None:
        self.labels = list(recorded.by_label)
        turns = [(x.start, x.end, self.labels.index(x.speaker)) for x in recorded.turns] or [(-np.inf, np.inf, 0)]
        self.starts, self.ends, who = np.array(turns).T  # (T,) each
        self.who = who.astype(int)

    def speaker(self, spans: Iterable[tuple[float, float]]) -> tuple[str, bool]:
        """The label of who speaks most in spans (start in s, end in s), and whether there is speech at all."""
        overlap, distance = np.zeros(len(self.labels)), np.full(len(self.starts), np.inf)
        for start, end in spans:
            gap = np.maximum(self.starts, start) - np.minimum(self.ends, end)  # (T,) s, negative: they overlap
            overlap += np.bincount(self.who, np.maximum(-gap, 0), len(self.labels))
            distance = np.minimum(distance, gap)
        is_overlap = bool(overlap.any())
        return self.labels[overlap.argmax() if is_overlap else self.who[distance.argmin()]], is_overlap


def _notes(
    path: Path,
    named: dict[str, str],
    far: Sequence[ScriptSegment],
    count: int,
    recorded: RecordingSpeakers,
    delay: float,
) -> tuple[str, ...]:
    """How the speakers of ``count`` segments were found, those (``far``) without speech, and names with one voice."""
    notes = []
    if len(recorded.by_label) > 1:
        notes.append(f"{path}: {count} segments without a speaker have the one who speaks most at their times")
    if far:
        places = [f"{time_in_file(x.start, delay):.1f}-{time_in_file(x.end, delay):.1f}" for x in far[:MAX_LISTED]]
        more = f" and {len(far) - MAX_LISTED} more" if len(far) > MAX_LISTED else ""
        notes.append(f"{path}: no speech at {', '.join(places)} s{more}: the speaker is the nearest in time")
    for label in dict.fromkeys(named.values()):
        shared = [name for name, other in named.items() if other == label]
        if len(shared) > 1:
            listed = ", ".join(map(repr, shared))
            notes.append(f"{path}: {listed} have one voice, that of speaker {label}: give the number with --speakers")
    return tuple(notes)
