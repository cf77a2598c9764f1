"""The pipeline on speech as it comes: raw samples in, raw samples or a file out, clause by clause."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from thesis_lib.audio import writing
from thesis_lib.cascade.files import Request, metadata
from thesis_lib.cascade.pipeline import VoiceCloningPipeline, laid_out
from thesis_lib.runs import RunError

BLOCK = 0.25  # s that are read at a time
STDOUT = "-"


def check_live(request: Request) -> None:
    """RunError for a request that speech which has not been spoken yet cannot fulfil."""
    if request != replace(Request(), consent=request.consent):
        raise RunError("from stdin, words and voice are the speaker's own: --text, --voice-from and others need a file")


def blocks_of(stream: BinaryIO, sample_rate: int) -> Iterator[np.ndarray]:
    """Raw 16-bit mono samples -> blocks (n,) until the stream ends; half a sample at the end is dropped."""
    size = 2 * int(BLOCK * sample_rate)
    while data := stream.read(size):
        yield np.frombuffer(data[: len(data) // 2 * 2], "<i2")


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
    with _sink(target, pipeline.sample_rate, request.consent) as write:
        passages = pipeline.live(blocks_of(stream, sample_rate), sample_rate, say)
        for passage, silence in laid_out(passages, pipeline.sample_rate):
            say(passage.line.english)
            write(np.concatenate([silence, passage.wav]))
            written += len(silence) + len(passage.wav)
    return written / pipeline.sample_rate


@contextmanager
def _sink(target: Path, sample_rate: int, consent: str) -> Iterator[Callable[[np.ndarray], None]]:
    if str(target) != STDOUT:
        with writing(target, sample_rate, comment=metadata(consent)) as write:
            yield write
        return

    def write(wav: np.ndarray) -> None:
        sys.stdout.buffer.write((np.clip(wav, -1, 1) * 32767).astype("<i2").tobytes())
        sys.stdout.buffer.flush()

    yield write
