"""Voice and style of live speech: measured in a thread of their own, while the same segment is translated.

The delay includes the pause that ends a segment, the translation and the speech synthesis. The synthesis needs the
speaker, the style and the speaking rate of the segment, which do not depend on the translation. So the measurement
begins after a quarter of that pause, and so does the part of the translation that needs the sound only (``prepare``).

The voice is that of the translated speech before the segment. It is extracted after the segment before was spoken
(``update``). Only where that speech is too brief, as in the first segment, the voice is that of the segment too, and
the delay is longer.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

from thesis_lib.audio.voice_activity import Segment
from thesis_lib.cloning.segments import Style, TranslatedSegment
from thesis_lib.cloning.speaker import Speaker

HEARD_SECONDS = 3.0  # of translated speech, from which the voice of a segment is that of the speech before it
SETTLED_SECONDS = 10.0  # of translated speech, after which the voice is no longer updated


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
    is_own: bool  # whether the voice is that of this segment too

    def cancel(self) -> None:
        """Cancel the tasks that have not begun; the voice of earlier segments is needed later."""
        self.measured.cancel()
        if self.is_own:
            self.voice.cancel()


class LiveVoice:
    """Measure each segment of live speech once, in a thread that ends with the context.

    A segment that the translation leaves out, for example noise, is not used for the voice of later ones. One thread
    iterates over ``kept``, which iterates over ``measured``, which calls ``expect``; another one calls ``of`` and
    ``update``. The voice of a segment does not depend on when ``update`` is called.
    """

    def __init__(
        self, extract: Extract, measure: Measure, prepare: Callable[[Segment], object] = lambda segment: None
    ) -> None:
        """``prepare`` is called in another thread; it computes and caches the first step of a segment's translation."""
        self._extract, self._measure, self._prepare = extract, measure, prepare
        self._pool, self._preparing = ThreadPoolExecutor(1, "live voice"), ThreadPoolExecutor(1, "live translation")
        self._translated: list[Segment] = []  # that the voice is extracted from
        self._voice: Future[Speaker] | None = None  # of all of them; None: not begun
        self._lock = Lock()  # of these two
        self._begun: Begun  # of the segment that is being translated
        self._expected: tuple[Begun, Future[object]] | None = None  # the other future: that it is prepared
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
        self._expected = self._submitted(segment), prepared

    def measured(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        """Yield the same segments; begin to measure each before it is yielded, and wait until it is prepared.

        The measurement of a segment that is left out is cancelled where it waits for another one.
        """
        for segment in segments:
            if self._expected and self._expected[0].place == (segment.start, segment.end):
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
                if self._seconds() < SETTLED_SECONDS:
                    self._translated.append(found.segment)
                    self._voice = self._begun.voice if self._begun.is_own else None
            yield found

    def of(self, segment: Segment) -> SegmentVoice:
        """Return what is measured of a segment, and forget earlier ones. Raises AudioError as ``SpeakerAnalyser``."""
        for start in list(self._futures):  # a copy: the other thread adds to it
            if start < segment.start:
                del self._futures[start]
        return self._futures[segment.start].result()

    def update(self) -> None:
        """Begin to extract the voice of later segments, where translated speech was added to it.

        Call it when a segment is spoken: without it the next segment begins with that, and its delay is longer.
        """
        with self._lock:
            if self._seconds() >= HEARD_SECONDS:
                self._voice_before()

    def _submitted(self, segment: Segment) -> Begun:
        with self._lock:
            own = self._seconds() < HEARD_SECONDS
            voice = self._submit_voice([*self._translated, segment]) if own else self._voice_before()
        measured = self._pool.submit(lambda: self._measure(voice.result(), segment))  # the voice was submitted before
        return Begun((segment.start, segment.end), voice, measured, own)

    def _voice_before(self) -> Future[Speaker]:
        """The voice of the translated speech; the caller holds the lock."""
        if self._voice is None:
            self._voice = self._submit_voice(list(self._translated))
        return self._voice

    def _submit_voice(self, spoken: list[Segment]) -> Future[Speaker]:
        return self._pool.submit(self._extract, spoken)

    def _forget_expected(self) -> None:
        if self._expected:
            for begun in self._expected:
                begun.cancel()
        self._expected = None

    def _seconds(self) -> float:
        return sum(segment.duration for segment in self._translated)
