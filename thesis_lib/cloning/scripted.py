"""Clone a recording with a script: read the script where it exists, write it where it does not.

Every synthesised segment is kept in the folder SCRIPT.cache, so that after an edit only changed segments are
synthesised again and the samples of all others stay the same.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import header, read_blocks
from thesis_lib.audio.video import played_times
from thesis_lib.audio.voice_activity import Segment, segments_at
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.cloning.recording_speakers import RecordingSpeakers
from thesis_lib.cloning.script import Script, ScriptSegment, as_written, cache_folder, check_labels, write_script
from thesis_lib.cloning.script_speakers import with_speakers
from thesis_lib.cloning.segment_cache import SegmentCache
from thesis_lib.cloning.segments import SynthesisedSegment, TranslatedSegment
from thesis_lib.utils.files import cached_fingerprint
from thesis_lib.vocoder.sources import vocoder_key


class ScriptedClone:
    """The segments of one recording by its script ``given``; where that is None, ``script`` is written."""

    def __init__(self, script: Path, given: Script | None, source: Path, speaker: str) -> None:
        self.path, self.given, self.source = script, given, source
        self.cache = SegmentCache(cache_folder(script), speaker, cached_fingerprint(source))
        self._delay = played_times(source)[0]
        self._recorded: list[ScriptSegment] = []
        self._names: dict[str, str] = {}
        self._notes: tuple[str, ...] = ()  # of the speakers of segments that had none

    def speakers(self, analyse: Callable[[], RecordingSpeakers]) -> RecordingSpeakers:
        """The voices from the cache, else from ``analyse``; every segment of the script gets one of their speakers.

        Raises CloningError for a speaker of the script without a voice.
        """
        if (speakers := self.cache.get_speakers()) is None:
            speakers = analyse()
            self.cache.put_speakers(speakers)
        if self.given:
            check_labels(self.path, self.given, tuple(speakers.by_label))
            self.given, self._notes = with_speakers(self.path, self.given, speakers, self._delay)
        return speakers

    def names(self, speakers: RecordingSpeakers) -> dict[str, str]:
        """Label -> name in subtitles: the script's, else those of the recording."""
        return speakers.names | (self.given.speakers if self.given else {})

    def synthesise(
        self,
        pipeline: VoiceCloningPipeline,
        speakers: RecordingSpeakers,
        translate: Callable[[], Iterable[TranslatedSegment]],
        note: Callable[[str], None],
    ) -> Iterator[SynthesisedSegment]:
        """Synthesise the segments of the script, or those that ``translate`` gives, with what is left out."""
        vocoder = vocoder_key(pipeline.vocoder.name)

        def one(translated: TranslatedSegment) -> SynthesisedSegment:
            key = self.cache.key(pipeline, translated, vocoder)
            if found := self.cache.get(key):
                content, wav = found
                length = len(wav) / pipeline.sample_rate
                return SynthesisedSegment(translated, 0.0, content, wav, length, dict(translated.seconds))
            made = pipeline.synthesise_one(self._with_samples(translated), speakers.of(translated))
            self.cache.put(key, made)
            return made

        if self.given is None:
            self._names = speakers.names
            segments = self._record(pipeline, speakers, translate())
        else:
            segments = self._read(pipeline, self.given.segments, vocoder, note)
        return pipeline.synthesise_each(segments, one)

    def _with_samples(self, translated: TranslatedSegment) -> TranslatedSegment:
        """The segment with the source's samples, also where a damaged file in the cache was to replace them."""
        place = translated.segment
        if len(place.wav):
            return translated
        [cut] = segments_at(read_blocks(self.source), header(self.source)[0], [(place.start, place.end)])
        return replace(translated, segment=replace(cut, speaker=place.speaker))

    def finish(self) -> None:
        """Write the script where there was none; remove segments from the cache that it does not use."""
        if self.given is None:
            write_script(self.path, self.source, self._recorded, self._names)
        self.cache.prune()

    def _record(
        self, pipeline: VoiceCloningPipeline, speakers: RecordingSpeakers, translated: Iterable[TranslatedSegment]
    ) -> Iterator[TranslatedSegment]:
        for segment in translated:
            styled = replace(segment, style=pipeline.style_of(segment, speakers.of(segment)))
            written = as_written(styled, self.path, self._delay)
            self._recorded.append(ScriptSegment.of(written))
            if not written.is_left_out:
                yield written

    def _read(
        self,
        pipeline: VoiceCloningPipeline,
        segments: Iterable[ScriptSegment],
        vocoder: str,
        note: Callable[[str], None],
    ) -> Iterator[TranslatedSegment]:
        """The spoken segments; those that are not in the cache have the samples of the source."""
        strength, none = pipeline.config.style_strength, np.zeros(0, np.float32)
        spoken = [x for x in segments if x.is_spoken]
        without = [x.translated(Segment(x.start, x.end, none), strength) for x in spoken]
        missing = [not self.cache.has(self.cache.key(pipeline, x, vocoder)) for x in without]
        counts = f"{len(spoken) - sum(missing)} segments from the cache, {sum(missing)} synthesised"
        for text in (f"{self.path}: the English is the script's: {counts}", *self._notes):
            note(text)
        if any(x.strength not in (None, strength) for x in spoken):
            note(f"{self.path}: a segment's own strength replaces --style-strength {strength:g}")
        if count := sum(is_missing and x.speed is not None for x, is_missing in zip(spoken, missing, strict=True)):
            note(f"{self.path}: {count} synthesised at the speed in the script; write null to measure it again")
        spans = [(x.start, x.end) for x, is_missing in zip(spoken, missing, strict=True) if is_missing]
        cut = segments_at(read_blocks(self.source), header(self.source)[0], spans)
        for own, found, is_missing in zip(spoken, without, missing, strict=True):
            yield own.translated(next(cut), strength) if is_missing else found
