"""The pipeline's data: a translated segment, a synthesised segment, and the translation of a whole recording.

Shapes: N samples.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from thesis_lib.audio.voice_activity import Segment
from thesis_lib.cloning.speaker import Speaker, similarity_to_speaker
from thesis_lib.embeddings.encoders import Encoder

# Stage of the pipeline -> its name where it is shown.
STAGES = {
    "translate": "translation",
    "speak": "synthesis",
    "render": "conversion",
    "finish": "loudness and watermark",
}


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add the time that the block takes to ``seconds[name]``."""
    started = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started


@dataclass(frozen=True)
class Style:
    """Speaking style of one segment that replaces the measured one."""

    strength: float  # 0 neutral, 1 as the source, 2 exaggerated
    speed: float | None = None  # speaking rate of the output, relative to the median voice; None: the segment's


@dataclass(frozen=True)
class TranslatedSegment:
    """A segment of Spanish speech with its transcript and its English translation."""

    segment: Segment  # of the source
    transcript: str  # Spanish; empty where the model does not transcribe
    english: str
    spoken: np.ndarray | None = None  # (N,) English speech at RATE, where a recording replaces the synthesizer
    seconds: dict[str, float] = field(default_factory=dict)  # stage -> computing time
    style: Style | None = None  # None: measured
    notes: tuple[str, ...] = ()  # what is uncertain, or why the segment is left out
    is_left_out: bool = False  # it is not spoken
    # From where to where its English is in that of the segment, 0 to 1; only live speech is cut into clauses.
    part: tuple[float, float] = (0.0, 1.0)

    @property
    def is_last_clause(self) -> bool:
        """Whether the English of the segment ends with it."""
        return self.part[1] == 1.0


@dataclass(frozen=True)
class SynthesisedSegment:
    """A translated segment as English speech, with its place in the output."""

    translated: TranslatedSegment
    start: float  # s in the output
    content: np.ndarray  # (N,) English speech in the synthesizer's voice, at the vocoder's rate
    wav: np.ndarray  # (N',) the same speech in the speaker's voice
    end: float  # s in the output
    # Stage -> computing time, translation included; in live speech without what is computed in the pause at the end.
    seconds: dict[str, float]


@dataclass(frozen=True)
class Translation:
    """A translated recording. Its two similarities are computed when they are read, which raises what ``embed`` raises.

    It holds the encoder, so it cannot be pickled where the encoder cannot.
    """

    segments: list[SynthesisedSegment]
    speaker: Speaker
    sample_rate: int  # Hz, of ``wav``
    speaker_encoder: Encoder  # conditions the output, and gives both similarities
    notes: tuple[str, ...]  # warnings

    @property
    def encoder(self) -> str:
        """Name of the speaker encoder."""
        return self.speaker_encoder.name

    @cached_property
    def similarity_before(self) -> float:
        """Cosine of the synthesizer's speech, as the vocoder gets it, to the speaker."""
        return self._similarity(self.content)

    @cached_property
    def similarity_after(self) -> float:
        """Cosine of the output, without pauses between the segments, to the speaker."""
        return self._similarity(np.concatenate([segment.wav for segment in self.segments]))

    def _similarity(self, wav: np.ndarray) -> float:
        return similarity_to_speaker(self.speaker_encoder, wav, self.sample_rate, self.speaker)

    @property
    def transcript(self) -> str:
        """The Spanish transcript of all segments."""
        return " ".join(segment.translated.transcript for segment in self.segments)

    @property
    def translation(self) -> str:
        """The English text of all segments."""
        return " ".join(segment.translated.english for segment in self.segments)

    @property
    def content(self) -> np.ndarray:
        """(N,) all segments in the synthesizer's voice, concatenated without pauses."""
        return np.concatenate([segment.content for segment in self.segments])

    @property
    def wav(self) -> np.ndarray:
        """(N,) all segments in the speaker's voice, with the pauses of the source."""
        laid = laid_out(self.segments, self.sample_rate)
        return np.concatenate([samples for segment, silence in laid for samples in (silence, segment.wav)])

    @property
    def seconds(self) -> dict[str, float]:
        """Computing time of each stage, summed over the segments."""
        return total_seconds(self.segments)


def laid_out(
    segments: Iterable[SynthesisedSegment], sample_rate: int
) -> Iterator[tuple[SynthesisedSegment, np.ndarray]]:
    """Yield each segment with the silence (n,) before it; concatenated, they are the output."""
    written = 0
    for segment in segments:
        silence = max(0, round(segment.start * sample_rate) - written)
        yield segment, np.zeros(silence, np.float32)
        written += silence + len(segment.wav)


def total_seconds(segments: Sequence[SynthesisedSegment]) -> dict[str, float]:
    """Sum the computing time of each stage over the segments."""
    stages = dict.fromkeys(stage for segment in segments for stage in segment.seconds)
    return {stage: sum(segment.seconds.get(stage, 0.0) for segment in segments) for stage in stages}
