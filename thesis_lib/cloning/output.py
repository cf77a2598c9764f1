"""Write the output of a recording: speech segment by segment, in a video with its picture, and subtitles.

Shapes: N samples.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from thesis_lib.audio.files import writing
from thesis_lib.audio.video import CONTAINERS, dropped_note, is_video, speech_delay, speech_file, write_video
from thesis_lib.cloning.mixing import BackgroundMix
from thesis_lib.cloning.plausibility import overhang_note
from thesis_lib.cloning.segments import SynthesisedSegment, laid_out
from thesis_lib.cloning.signing import signed
from thesis_lib.cloning.subtitles import LANGUAGES, Cue, cues_of, embedded_cues, write_both

MAX_COMPARED_SECONDS = 15.0  # of output of each speaker that the similarity to the speaker is measured on

Compared = dict[str, tuple[np.ndarray, np.ndarray]]  # label of a speaker -> content and output, each (N,)


@dataclass(frozen=True)
class Output:
    """Output file of a clone and the options of writing it."""

    target: Path
    comment: str  # of the file's metadata
    subtitles: bool = False
    add_track: bool = False  # of a video: keep its audio tracks
    fit: bool = False  # each segment was stretched towards the length of its source
    background: bool = False  # mix what is not speech in the source with the English
    mark: bool = True  # watermark that mixture
    names: Mapping[str, str] = field(default_factory=dict)  # label -> name of several speakers, in the subtitles
    sign: Callable[[Path, Path], object] | None = None  # sign(unsigned, target) adds content credentials


class Written(NamedTuple):
    """What ``write_output`` has written."""

    segments: list[SynthesisedSegment]  # without samples
    compared: Compared  # the first ``MAX_COMPARED_SECONDS`` of each speaker
    subtitles: tuple[str, ...]  # paths


def write_output(
    segments: Iterable[SynthesisedSegment],
    sample_rate: int,
    source: Path,
    output: Output,
    note: Callable[[str], None],
) -> Written:
    """Write the target and its subtitles."""
    with signed(output.target, output.sign) as place:
        kept, compared, cues = _write_media(segments, sample_rate, source, output, place, note)
    return Written(kept, compared, write_both(output.target, cues))


def _write_media(
    segments: Iterable[SynthesisedSegment],
    sample_rate: int,
    source: Path,
    output: Output,
    place: Path,
    note: Callable[[str], None],
) -> tuple[list[SynthesisedSegment], Compared, dict[str, list[Cue]]]:
    """Write audio or video to ``place``; return the segments, samples to compare, and the cues of the subtitles."""
    target, video = output.target, is_video(output.target)
    with speech_file(place) as path:
        with writing(path, sample_rate, comment=output.comment) as write:
            if output.background:
                mix = BackgroundMix(source, sample_rate, write, output.mark, note)
                kept, compared = _write(segments, sample_rate, mix.write)
                mix.finish()
            else:
                kept, compared = _write(segments, sample_rate, write)
        delay = speech_delay(source) if video else 0.0
        cues = _cues(kept, delay, output, note) if output.subtitles else {}
        if video:
            shown = embedded_cues(cues, CONTAINERS[target.suffix.lower()].subtitles)
            picture = write_video(source, path, place, shown, output.add_track, output.comment)
            late = overhang_note(delay + kept[-1].end, picture, target, output.fit)
            for text in filter(None, (dropped_note(source, target, output.add_track), late)):
                note(text)
    return kept, compared, cues


def _cues(
    segments: list[SynthesisedSegment], delay: float, output: Output, note: Callable[[str], None]
) -> dict[str, list[Cue]]:
    found = cues_of(segments, delay, output.names)
    for language in LANGUAGES:
        if language not in found:
            note(f"{output.target}: no subtitles in the language '{language}': no segment has text in it")
    return found


def _write(
    segments: Iterable[SynthesisedSegment], sample_rate: int, write: Callable[[np.ndarray], object]
) -> tuple[list[SynthesisedSegment], Compared]:
    """Write the segments with their pauses; return them without samples, and content and output of each speaker.

    Only the first ``MAX_COMPARED_SECONDS`` of each are kept, so that memory does not grow with the recording.
    """
    kept: list[SynthesisedSegment] = []
    compared: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {}
    for segment, silence in laid_out(segments, sample_rate):
        write(silence)
        write(segment.wav)
        content, output = compared.setdefault(segment.translated.segment.speaker, ([], []))
        if sum(map(len, output)) < MAX_COMPARED_SECONDS * sample_rate:
            content.append(segment.content)
            output.append(segment.wav)
        kept.append(_without_samples(segment))
    return kept, {label: (np.concatenate(a), np.concatenate(b)) for label, (a, b) in compared.items()}


def _without_samples(segment: SynthesisedSegment) -> SynthesisedSegment:
    """Return the segment's texts and times only, so that memory does not grow with the recording."""
    empty = np.zeros(0, np.float32)
    source = replace(segment.translated.segment, wav=empty)
    return replace(
        segment, content=empty, wav=empty, translated=replace(segment.translated, segment=source, spoken=None)
    )
