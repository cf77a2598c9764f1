"""Style of each segment of live speech, measured while it is translated, and the voice of the speech before it.

The delay includes the pause that ends a segment, the translation and the speech synthesis. The style and the speaking
rate of a segment do not depend on its translation. So their measurement begins after a quarter of that pause, and so
does the part of the translation that needs the sound only (``prepare``).

The voice of a segment is extracted from the translated speech before it. This begins when the English of the segment
before has been synthesised, at the latest in the pause that ends the segment. If that speech is shorter than
``MIN_EARLIER_SECONDS``, the voice is extracted from it and from the segment itself, and the delay is longer.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from thesis_lib.audio.files import AudioError
from thesis_lib.audio.voice_activity import Segment
from thesis_lib.cloning.segments import Style, TranslatedSegment
from thesis_lib.cloning.speaker import Speaker

# Shortest translated speech before a segment from which its voice is extracted without the segment. The embedding of
# less speech is less reliable, as that of a piece shorter than ``speaker.PIECE_SECONDS``.
MIN_EARLIER_SECONDS = 3.0
SETTLED_SECONDS = 10.0  # of translated speech; with more, the voice is no longer updated


@dataclass(frozen=True)
class SegmentVoice:
    """What is measured of a segment."""

    styled: Speaker  # the voice in the style of this segment
    style: Style


Extract = Callable[[list[Segment]], Speaker]  # segments -> their voice
Measure = Callable[[Speaker, Segment], SegmentVoice]  # voice, segment


class Begun(NamedTuple):
    """A segment and the tasks that were begun for it."""

    place: tuple[float, float]  # start and end, s
    voice: Future[Speaker]
    measured: Future[SegmentVoice]
    includes_segment: bool  # whether the voice is extracted from the segment too

    def cancel(self) -> None:
        """Cancel the tasks that have not begun; the voice of earlier segments is needed later."""
        self.measured.cancel()
        if self.includes_segment:
            self.voice.cancel()


class Expected(NamedTuple):
    """A segment that is expected to end, and the preparation of its translation."""

    begun: Begun
    prepared: Future[object]


class LiveVoice:
    """Extract the voice and measure the style of each segment of live speech, in a thread that ends with the context.

    A segment that the translation leaves out, for example noise, is not used for the voice of later ones. One thread
    iterates over ``kept``, which iterates over ``measured``, which calls ``expect``; another one calls ``of`` and
    ``update``. The voice of a segment does not depend on which of them is faster.
    """

    def __init__(
        self, extract: Extract, measure: Measure, prepare: Callable[[Segment], object] = lambda segment: None
    ) -> None:
        """``prepare`` is called in another thread; it computes and caches the first step of a segment's translation."""
        self._extract, self._measure, self._prepare = extract, measure, prepare
        self._pool, self._preparing = ThreadPoolExecutor(1, "live voice"), ThreadPoolExecutor(1, "live translation")
        self._translated: list[Segment] = []  # that the voice is extracted from
        self._voice: Future[Speaker] | None = None  # of all of them; None: not begun
        self._voice_before: Future[Speaker] | None = None  # of the last of them
        self._lock = Lock()  # guards the three attributes above
        self._begun: Begun  # of the segment that is being translated
        self._expected: Expected | None = None
        self._futures: dict[float, Future[SegmentVoice]] = {}  # start of a translated segment, s -> what is measured

    def __enter__(self) -> "LiveVoice":
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the task that has begun, for example the voice of a later segment, and cancel the others."""
        for pool in (self._pool, self._preparing):
            pool.shutdown(cancel_futures=True)

    def expect(self, segment: Segment) -> None:
        """Begin to measure and to prepare a segment before it is known that it ends there.

        If it does not, a task that runs already is not interrupted, and the next one waits for it.
        """
        self._forget_expected()
        prepared = self._preparing.submit(self._prepare, segment)
        self._expected = Expected(self._submitted(segment), prepared)

    def measured(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Yield the same segments; begin to measure each before it is yielded, and wait until it is prepared.

        The measurement of a segment that is left out is cancelled where it waits for another one.
        """
        for segment in segments:
            if self._expected and self._expected.begun.place == (segment.start, segment.end):
                self._begun, prepared = self._expected
                with suppress(Exception):  # the translation raises it again; cancelled: the context has ended
                    prepared.result()
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
            self._futures[found.segment.start] = self._begun.measured
            with self._lock:
                if self._translated_seconds() < SETTLED_SECONDS:
                    self._translated.append(found.segment)
                    self._voice_before = self._begun.voice
                    self._voice = self._begun.voice if self._begun.includes_segment else None
            yield found

    def of(self, segment: Segment) -> SegmentVoice:
        """Return what is measured of a segment, and forget earlier ones.

        Raises AudioError as ``SpeakerAnalyser`` if the first translated segment cannot be used, for example because it
        is clipped. If a later one cannot be used, the voice before is kept.
        """
        for start in list(self._futures):  # a copy: the other thread adds to it
            if start < segment.start:
                del self._futures[start]
        return self._futures[segment.start].result()

    def update(self, clause: TranslatedSegment) -> None:
        """Begin to extract the voice of later segments, if this is the last clause of a segment.

        It does nothing if a later segment has been translated, because that is synthesised next. Call it when the
        English of the clause has been synthesised.
        """
        with self._lock:
            if clause.is_last_clause and self._translated and self._translated[-1] is clause.segment:
                self._begin_voice()

    def _submitted(self, segment: Segment) -> Begun:
        with self._lock:
            includes_segment = self._translated_seconds() < MIN_EARLIER_SECONDS
            voice = self._submit_voice([*self._translated, segment]) if includes_segment else self._begin_voice()
        # One worker, in order: the voice is extracted by the time that this task begins.
        measured = self._pool.submit(lambda: self._measure(voice.result(), segment))
        return Begun((segment.start, segment.end), voice, measured, includes_segment)

    def _begin_voice(self) -> Future[Speaker]:
        """Begin to extract the voice of all translated segments, once; the caller holds the lock."""
        if self._voice is None:
            self._voice = self._submit_voice(list(self._translated))
        return self._voice

    def _submit_voice(self, segments: list[Segment]) -> Future[Speaker]:
        return self._pool.submit(self._extract_or_keep, segments, self._voice_before)

    def _translated_seconds(self) -> float:
        return sum(segment.duration for segment in self._translated)

    def _extract_or_keep(self, segments: list[Segment], before: Future[Speaker] | None) -> Speaker:
        try:
            return self._extract(segments)
        except AudioError:
            if before is None:
                raise
            return before.result()

    def _forget_expected(self) -> None:
        if self._expected:
            self._expected.begun.cancel()
            self._expected.prepared.cancel()
        self._expected = None
