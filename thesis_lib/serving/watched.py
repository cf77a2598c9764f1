"""The voice-cloning pipeline that reports each stage to a job."""

from collections.abc import Iterator
from typing import Any

from thesis_lib.cloning import Speaker, SynthesisedSegment, TranslatedSegment, VoiceCloningPipeline
from thesis_lib.config import CloningConfig
from thesis_lib.serving.jobs import Job
from thesis_lib.vocoder.rendering import BaseVocoder

BEFORE = ("read", "speakers", "voice", "adapt")  # stages that end before the first segment


class WatchedPipeline(VoiceCloningPipeline):
    """The same pipeline. Times are reported as shares of ``length`` (s), the duration of the source.

    ``voices`` is the number of voices that are extracted; 0 where it is not known before. ``places`` has the place of
    each synthesised segment in the source's audio and in the output, s.
    """

    def __init__(self, pipeline: VoiceCloningPipeline, job: Job, length: float, voices: int = 1) -> None:
        super().__init__(**pipeline.arguments())
        self.job, self.length, self.voices, self.analysed = job, length, voices, 0
        self.places: list[dict[str, float]] = []

    def copy_with(self, vocoder: BaseVocoder | None = None, config: CloningConfig | None = None) -> "WatchedPipeline":
        """A pipeline with the same models, as of the base class; both fill the same ``places``."""
        copy = WatchedPipeline(super().copy_with(vocoder, config), self.job, self.length, self.voices)
        copy.places = self.places
        return copy

    def analyse_speaker(self, *args: Any, **kwargs: Any) -> Speaker:
        """Analyse a speaker, and report the stages that this ends."""
        found = super().analyse_speaker(*args, **kwargs)  # reads the recording
        for stage in ("read", "speakers"):
            self.job.report(stage, 1)
        self.analysed += 1
        self.job.report("voice", self.analysed / self.voices if self.voices else 0)
        return found

    def translate(self, *args: Any, **kwargs: Any) -> Iterator[TranslatedSegment]:
        """Translate, and report each segment and its place."""
        self._begin()
        for found in super().translate(*args, **kwargs):
            place = found.segment
            self.job.add_segment(start=place.start, end=place.end, spanish=found.transcript, english=found.english)
            self.job.report("translate", place.end / self.length)
            yield found
        self.job.report("translate", 1)

    def synthesise_each(self, *args: Any, **kwargs: Any) -> Iterator[SynthesisedSegment]:
        """Synthesise, and report each segment and its place in the output."""
        self._begin()
        for made in super().synthesise_each(*args, **kwargs):
            place = made.translated.segment
            self.job.report("speak", place.end / self.length)
            self.places.append({"source": place.start, "start": made.start, "end": made.end})
            yield made
        self.job.report("speak", 1)

    def _begin(self) -> None:
        for stage in BEFORE:
            self.job.report(stage, 1)
