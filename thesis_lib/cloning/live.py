"""The pipeline on live speech: raw samples in, raw samples or a file out, clause by clause."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import numpy as np

from thesis_lib.audio.files import STDOUT, sink
from thesis_lib.audio.streams import stream_blocks
from thesis_lib.cloning.checks import check_output, metadata
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.files import Request
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.cloning.plausibility import lengthening_note
from thesis_lib.cloning.segments import SynthesisedSegment, laid_out
from thesis_lib.config import CloningConfig

BLOCK_SECONDS = 0.05  # read from the stream at a time


def check_live(
    request: Request, config: CloningConfig, target: str | Path = STDOUT, prints_result: bool = False
) -> None:
    """Raise CloningError for options that need a whole recording, and for a target with an unknown suffix.

    ``prints_result``: whether the result goes to stdout, which the speech then cannot have.
    """
    if prints_result and str(target) == STDOUT:
        raise CloningError("the speech and the result of --json would both go to stdout: name a file for the speech")
    if request != replace(Request(), consent=request.consent) or config.background != "drop":
        raise CloningError(
            "live speech (stdin, -) takes only --consent and the pipeline's other settings; --text, --content, "
            "--voice-from, --emotion-from, --adapt, --subtitles, --script, --add-track, --speakers, "
            "--credentials and --background keep need a file: name a recording instead of -"
        )
    if str(target) != STDOUT:
        check_output(Path(target))


def clone_live(
    pipeline: VoiceCloningPipeline,
    stream: BinaryIO,
    sample_rate: int,
    target: str | Path,
    request: Request | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> float:
    """Translate Spanish speech from a stream; return the seconds written.

    The stream holds raw samples at ``sample_rate``, or a file of a format that
    ``audio.streams`` recognises, with a rate of its own.

    The output goes to ``target``, or to stdout if that is "-"; pauses of the speaker are kept. ``say`` is called with
    each English clause and each note; English much longer than its segment is noted when the next segment is spoken.
    Raises AudioError if the speech is not Spanish or has no words, CloningError for options that need a file.
    """
    request = request or Request()
    check_live(request, pipeline.config, target)
    written, read, count, note = 0, 0, 0, ""

    def counted(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        nonlocal read
        for block in blocks:
            read += len(block)
            yield block

    with sink(target, pipeline.sample_rate, comment=metadata(request.consent)) as write:
        rate, blocks = stream_blocks(stream, sample_rate, BLOCK_SECONDS, say)
        segments = pipeline.live(counted(blocks), rate, say)
        for (start, end), clauses in groupby(laid_out(segments, pipeline.sample_rate), _place):
            spoken, count = 0.0, count + 1
            for segment, silence in clauses:
                say(segment.translated.english)
                write(np.concatenate([silence, segment.wav]))
                written += len(silence) + len(segment.wav)
                spoken += segment.end - segment.start
            if note := lengthening_note(spoken, end - start, f"{start:.1f}-{end:.1f} s"):
                say(note)
        seconds = written / pipeline.sample_rate
        whole = lengthening_note(seconds, read / rate, "the whole speech")
        if whole and not (note and count == 1):
            say(whole)
    return seconds


def _place(laid: tuple[SynthesisedSegment, np.ndarray]) -> tuple[float, float]:
    """The place of a clause's segment in the source, s; the clauses of one segment have the same."""
    of = laid[0].translated.segment
    return of.start, of.end
