"""The pipeline on speech as it comes: raw samples in, raw samples or a file out, clause by clause."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from thesis_lib.audio.files import raw_blocks, sink
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.files import Request, metadata
from thesis_lib.cloning.pipeline import VoiceCloningPipeline, laid_out

BLOCK = 0.25  # s that are read at a time


def check_live(request: Request) -> None:
    """CloningError for a request that speech which has not been spoken yet cannot fulfil."""
    if request != replace(Request(), consent=request.consent):
        raise CloningError("stdin gives words and voice itself: --text, --voice-from and others need a file")


def clone_live(
    pipeline: VoiceCloningPipeline,
    stream: BinaryIO,
    sample_rate: int,
    target: Path,
    request: Request | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> float:
    """Spanish speech from a stream of raw samples -> ``target``, or stdout where it is "-"; returns seconds written.

    Passages keep their distance in time where the speaker leaves any. Raises AudioError where nobody speaks Spanish.
    """
    request = request or Request()
    check_live(request)
    written = 0
    with sink(target, pipeline.sample_rate, comment=metadata(request.consent)) as write:
        passages = pipeline.live(raw_blocks(stream, sample_rate, BLOCK), sample_rate, say)
        for passage, silence in laid_out(passages, pipeline.sample_rate):
            say(passage.translated.english)
            write(np.concatenate([silence, passage.wav]))
            written += len(silence) + len(passage.wav)
    return written / pipeline.sample_rate
