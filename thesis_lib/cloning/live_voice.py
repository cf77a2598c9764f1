"""Voice and style of live speech: measured in a thread of their own, while the same segment is translated.

The delay includes the pause that ends a segment, the translation and the speech synthesis. The synthesis needs the
speaker, the style and the speaking rate of the segment, which do not depend on the translation. So the measurement
begins after a quarter of that pause, and so does the part of the translation that needs the sound only (``prepare``).
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from thesis_lib.audio.voice_activity import Segment
from thesis_lib.cloning.segments import Style, TranslatedSegment
from thesis_lib.cloning.speaker import Speaker

SETTLED_SECONDS = 10.0  # translated speech after which the voice is no longer updated


@dataclass(frozen=True)
class SegmentVoice:
    """What is measured of a segment."""

    voice: Speaker  # of the translated speech so far and of this segment
    styled: Speaker  # the voice in the style of this segment
    style: Style


# Segments that the voice is extracted from (none: the voice before is kept), the voice before, a segment -> its voice.
Measure = Callable[[list[Segment], Speaker | None, Segment], SegmentVoice]


class Expected(NamedTuple):
    """A segment that is expected to end, and the tasks that were begun for it."""

    place: tuple[float, float]  # start and end, s
    measured: Future[SegmentVoice]
    prepared: Future[object]


class LiveVoice:
    """Measure each segment of live speech once, in a thread that ends with the context.

    A segment that the translation leaves out, for example noise, is not used for the voice of later ones. One thread
    iterates over ``kept``, which iterates over ``measured``, which calls ``expect``; another one calls ``of``.
    """

    def __init__(self, measure: Measure, prepare: Callable[[Segment], object] = lambda segment: None) -> None:
        """``prepare`` is called in another thread; it computes and caches the first step of a segment's translation."""
        self._measure, self._prepare = measure, prepare
        self._pool, self._preparing = ThreadPoolExecutor(1, "live voice"), ThreadPoolExecutor(1, "live translation")
        self._translated: list[Segment] = []  # that the voice is extracted from
        self._last: Future[SegmentVoice] | None = None  # of the last of them
        self._begun: Future[SegmentVoice]  # of the segment that is being translated
        self._expected: Expected | None = None
        self._futures: dict[float, Future[SegmentVoice]] = {}  # start of a translated segment, s -> what is measured

    def __enter__(self) -> "LiveVoice":
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the measurement that has begun, and cancel the others."""
        for pool in (self._pool, self._preparing):
            pool.shutdown(cancel_futures=True)

    def expect(self, segment: Segment) -> None:
        """Begin to measure and to prepare a segment before it is known that it ends there.

        If it does not, a task that runs already is not interrupted, and the next one waits for it.
        """
        self._forget_expected()
        prepared = self._preparing.submit(self._prepare, segment)
        self._expected = Expected((segment.start, segment.end), self._submitted(segment), prepared)

    def measured(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Yield the same segments; begin to measure each before it is yielded, and wait until it is prepared.

        The measurement of a segment that is left out is cancelled where it waits for another one.
        """
        for segment in segments:
            if self._expected and self._expected.place == (segment.start, segment.end):
                self._begun = self._expected.measured
                with suppress(Exception):  # the translation raises it again; cancelled: the context has ended
                    self._expected.prepared.result()
                self._expected = None
            else:
                self._forget_expected()
                self._begun = self._submitted(segment)
            yield segment
            if segment.start not in self._futures:
                self._begun.cancel()

    def kept(self, translated: Iterable[TranslatedSegment]) -> Iterator[TranslatedSegment]:
        """Yield the same translated segments; the voice of later ones is extracted from them too."""
        for found in translated:
            self._futures[found.segment.start] = self._begun
            if not self._is_settled():
                self._translated.append(found.segment)
                self._last = self._begun
            yield found

    def of(self, segment: Segment) -> SegmentVoice:
        """Return what is measured of a segment, and forget earlier ones. Raises AudioError as ``SpeakerAnalyser``."""
        for start in list(self._futures):  # a copy: the other thread adds to it
            if start < segment.start:
                del self._futures[start]
        return self._futures[segment.start].result()

    def _submitted(self, segment: Segment) -> Future[SegmentVoice]:
        spoken = [] if self._is_settled() else [*self._translated, segment]
        return self._pool.submit(self._task, spoken, self._last, segment)

    def _forget_expected(self) -> None:
        if self._expected:
            self._expected.measured.cancel()
            self._expected.prepared.cancel()
        self._expected = None

    def _is_settled(self) -> bool:
        return sum(segment.duration for segment in self._translated) >= SETTLED_SECONDS

    def _task(self, spoken: list[Segment], last: Future[SegmentVoice] | None, segment: Segment) -> SegmentVoice:
        voice = last.result().voice if last else None  # that task was submitted before this one
        return self._measure(spoken, voice, segment)
