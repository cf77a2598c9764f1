"""The pipeline on live speech: raw samples in, raw samples or a file out, clause by clause."""

from collections.abc import Callable
from dataclasses import replace
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
from thesis_lib.cloning.segments import laid_out
from thesis_lib.config import CloningConfig

BLOCK_SECONDS = 0.25  # read from the stream at a time


def check_live(request: Request, config: CloningConfig, target: str | Path = STDOUT) -> None:
    """Raise CloningError for options that need a whole recording, and for a target with an unknown suffix."""
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
    each English clause and each note.
    Raises AudioError if the speech is not Spanish or has no words, CloningError for options that need a file.
    """
    request = request or Request()
    check_live(request, pipeline.config, target)
    written = 0
    with sink(target, pipeline.sample_rate, comment=metadata(request.consent)) as write:
        rate, blocks = stream_blocks(stream, sample_rate, BLOCK_SECONDS)
        segments = pipeline.live(blocks, rate, say)
        for segment, silence in laid_out(segments, pipeline.sample_rate):
            of = segment.translated.segment
            place = f"{of.start:.1f}-{of.end:.1f} s"
            say(segment.translated.english)
            if note := lengthening_note(segment.end - segment.start, of.duration, place):
                say(note)
            write(np.concatenate([silence, segment.wav]))
            written += len(silence) + len(segment.wav)
    return written / pipeline.sample_rate
