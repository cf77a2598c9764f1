"""The pipeline on files of any length: the options of one recording, and its voice, translation, output and notes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import header, read_blocks, survey
from thesis_lib.audio.video import is_video
from thesis_lib.audio.voice_activity import check_has_speech, speech_segments
from thesis_lib.cloning.checks import check_recordings, check_script, check_target, metadata
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.output import Output, Written, write_output
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.cloning.plausibility import lengthening_notes
from thesis_lib.cloning.readings import has_words
from thesis_lib.cloning.recording_speakers import RecordingSpeakers, check_speakers, speakers_of_recording
from thesis_lib.cloning.script import Script, read_script
from thesis_lib.cloning.scripted import ScriptedClone
from thesis_lib.cloning.segment_cache import speaker_key
from thesis_lib.cloning.segments import TranslatedSegment, total_seconds
from thesis_lib.cloning.signing import CredentialsManifest, SigningKey, check_signing, sign_file
from thesis_lib.cloning.speaker import similarity_to_speaker
from thesis_lib.utils.process import printable
from thesis_lib.utils.progress import Progress, by_seconds, silent
from thesis_lib.vocoder.rendering import BaseVocoder
from thesis_lib.vocoder.sources import adaptation_key

ADAPTED_VOCODERS = Path("runs") / "voices"  # folder of vocoders that ``Request.adapt`` has trained

# adapter(recordings, folder, vocoder, minutes, progress) trains a vocoder on a voice: training.adaptation.adapt.
Adapter = Callable[[Sequence[Path], Path, str, float, Progress], BaseVocoder]


@dataclass(frozen=True)
class Request:
    """Options of one recording. Raises CloningError for options that contradict each other."""

    text: str | None = None  # English to synthesise instead of the translation
    content: Path | None = None  # English recording that replaces the translation and the synthesizer
    voice_from: tuple[Path, ...] = ()  # recordings of the target speaker; empty: the source's speaker
    emotion_from: Path | None = None  # recording of the speaking style; None: the source's style
    emotion_mix: float = 1.0  # interpolation of the speaking style: 0 the source's, 1 that of emotion_from
    adapt: float = 0.0  # minutes of speaker adaptation before synthesis
    subtitles: bool = False
    consent: str = ""  # who has consented to the use of the voice; written to the file's metadata
    script: Path | None = None  # read where it exists, else written: cloning.script
    add_track: bool = False  # of a video: keep its audio tracks, and add the English as another
    speakers: int | str = 1  # with a voice each; AUTO: as many as are found; 1: the main speaker's voice for all
    credentials: SigningKey | None = None  # sign the output with content credentials

    def __post_init__(self) -> None:
        if self.text is not None and not has_words(self.text):
            raise CloningError(f"--text {self.text!r} holds no word: give the English to speak, or leave --text out")
        if self.text and printable(self.text) != self.text:
            raise CloningError(f"--text '{printable(self.text)}' is not UTF-8: give the English in UTF-8")
        if self.text and self.content:
            raise CloningError("--text and --content both replace the translation: give one of them")
        if self.script and (self.text or self.content):
            raise CloningError("--script, --text and --content each say what is spoken: give one of them")
        if self.emotion_mix != 1.0 and not self.emotion_from:
            raise CloningError("--emotion-mix needs a recording of the speaking style: name it with --emotion-from")
        check_speakers(self.speakers)
        if self.speakers != 1 and (self.text or self.content or self.voice_from or self.adapt):
            raise CloningError(
                f"--speakers {self.speakers} gives each speaker a voice; --text, --content, --voice-from and --adapt "
                "are for one: leave them out, or --speakers"
            )

    @property
    def recordings(self) -> tuple[Path, ...]:
        """Every recording that the options name."""
        return tuple(path for path in (self.content, *self.voice_from, self.emotion_from) if path)


@dataclass(frozen=True)
class Clone:
    """Result of ``clone_file``."""

    source: str
    target: str
    source_duration: float  # s
    duration: float  # s
    transcript: str
    translation: str
    encoder: str
    similarity_before: float  # cosine of the synthesizer's speech to the speaker; mean of several speakers
    similarity_after: float  # cosine of the output to the speaker; mean of several speakers
    notes: tuple[str, ...]
    seconds: dict[str, float]  # stage -> computing time
    subtitles: tuple[str, ...] = ()
    speakers: int = 1  # with a voice each


def clone_file(
    pipeline: VoiceCloningPipeline,
    source: Path,
    target: Path,
    request: Request = Request(),
    say: Callable[[str], None] = lambda text: None,
    progress: Progress = silent,
    adapter: Adapter | None = None,
) -> Clone:
    """Translate a recording of any format, sample rate and length; write English speech to ``target``.

    ``say`` is called with each note as it arises; the result has them too. ``adapter`` trains the vocoder if the
    request asks for speaker adaptation. An existing target is replaced only once the new one is complete.
    Raises AudioError for unusable audio; CloningError for a target that is the source or has an unknown suffix, for
    a script that cannot be used, and for a missing adapter; CredentialsError as ``check_signing``.
    """
    source, target = Path(source), Path(target)
    check_target(source, target, request.add_track, request.recordings, request.subtitles)
    check_signing(request.credentials, target)
    check_recordings((source, *request.recordings))
    given = check_script(source, target, request.script, request.subtitles, request.speakers)
    notes: list[str] = []

    def note(text: str) -> None:
        notes.append(text)
        say(text)

    for path in dict.fromkeys((source, *request.recordings)):
        for text in survey(path).notes(path):
            note(text)
    scripted = _scripted(pipeline, source, request, request.script, given) if request.script else None
    extract = partial(_speakers, pipeline, source, request, progress)
    speakers = scripted.speakers(extract) if scripted else extract()
    for warning in speakers.warnings:
        note(warning)
    if request.adapt:
        pipeline = adapted_to(pipeline, request.voice_from or (source,), request.adapt, adapter, progress)
    translated = partial(_translated, pipeline, source, request, speakers, note)
    if scripted:
        segments = scripted.synthesise(pipeline, speakers, translated, note)
    else:
        segments = pipeline.synthesise_each(
            translated(), lambda segment: pipeline.synthesise_one(segment, speakers.of(segment))
        )
    length = survey(source).seconds
    shown = by_seconds(segments, length, progress, target.name, lambda segment: segment.translated.segment.end)
    output = _output(pipeline, source, target, request, scripted.names(speakers) if scripted else speakers.names)
    written = write_output(shown, pipeline.sample_rate, source, output, note)
    if scripted:
        scripted.finish()
    for text in lengthening_notes(written.segments, source, length):
        note(text)
    return _clone(pipeline, source, speakers, output, written, notes)


def _output(
    pipeline: VoiceCloningPipeline, source: Path, target: Path, request: Request, names: Mapping[str, str]
) -> Output:
    config, background = pipeline.config, pipeline.config.background == "keep"
    return Output(
        target,
        metadata(request.consent),
        request.subtitles,
        request.add_track,
        config.fit,
        background,
        config.watermark,
        names,
        _signer(source, target, request, background),
    )


def _clone(
    pipeline: VoiceCloningPipeline,
    source: Path,
    speakers: RecordingSpeakers,
    output: Output,
    written: Written,
    notes: Iterable[str],
) -> Clone:
    """What was written, with the similarity to each speaker before and after conversion."""
    encoder, length, kept = pipeline.analyser.speaker_encoder, survey(source).seconds, written.segments
    similarities = [
        [similarity_to_speaker(encoder, x, pipeline.sample_rate, speakers.by_label[label]) for x in sides]
        for label, sides in written.compared.items()
    ]
    before, after = (float(np.mean(side)) for side in zip(*similarities, strict=True))
    return Clone(
        source=str(source),
        target=str(output.target),
        source_duration=length,
        duration=max(kept[-1].end, length if output.background else 0.0),  # a kept background goes on to the end
        transcript=" ".join(segment.translated.transcript for segment in kept).strip(),
        translation=" ".join(segment.translated.english for segment in kept).strip(),
        encoder=encoder.name,
        similarity_before=before,
        similarity_after=after,
        notes=tuple(notes),
        seconds=total_seconds(kept),
        subtitles=written.subtitles,
        speakers=len(speakers.by_label),
    )


def _signer(source: Path, target: Path, request: Request, background: bool) -> Callable[[Path, Path], None] | None:
    if request.credentials is None:
        return None
    manifest = CredentialsManifest(
        tuple(dict.fromkeys((source, *request.recordings))),
        metadata(request.consent),
        composite=is_video(target) or background,
        translated=request.text is None and request.content is None,
    )
    return partial(sign_file, signing=request.credentials, manifest=manifest)


def _speakers(pipeline: VoiceCloningPipeline, source: Path, request: Request, progress: Progress) -> RecordingSpeakers:
    voices = request.voice_from, request.emotion_from, request.emotion_mix
    is_translated = request.text is None and request.content is None
    return speakers_of_recording(pipeline, source, request.speakers, *voices, progress, is_translated)


def _scripted(
    pipeline: VoiceCloningPipeline, source: Path, request: Request, script: Path, given: Script | None
) -> ScriptedClone:
    recordings = (source, *request.recordings)
    key = speaker_key(pipeline, recordings, len(request.voice_from), request.emotion_mix, request.speakers)
    return ScriptedClone(script, given, source, key)


def spoken_script(pipeline: VoiceCloningPipeline, source: Path, request: Request, script: Path) -> Script:
    """The script as ``clone_file`` has spoken it: each segment has its speaker, by the voices in the script's cache."""
    given = read_script(script, source)
    scripted = _scripted(pipeline, source, request, script, given)
    scripted.speakers(partial(_speakers, pipeline, source, request, silent))
    return scripted.given or given


def adapted_to(
    pipeline: VoiceCloningPipeline,
    recordings: Sequence[Path],
    minutes: float,
    adapter: Adapter | None,
    progress: Progress = silent,
) -> VoiceCloningPipeline:
    """Return the pipeline with a vocoder adapted to the voice in the recordings; a second call loads it from disk.

    A vocoder that has been trained again under the same name is adapted again. Raises CloningError without an adapter,
    and CheckpointError for a vocoder that is not on disk.
    """
    if adapter is None:
        raise CloningError("speaker adaptation needs an adapter: pass adapter=thesis_lib.training.adaptation.adapt")
    name = pipeline.vocoder.name
    key = adaptation_key(recordings, name, minutes)
    return pipeline.copy_with(adapter(recordings, ADAPTED_VOCODERS / key, name, minutes, progress))


def _translated(
    pipeline: VoiceCloningPipeline,
    source: Path,
    request: Request,
    speakers: RecordingSpeakers,
    note: Callable[[str], None],
) -> Iterable[TranslatedSegment]:
    """Yield what is synthesised: the given text, the given English recording, or the translation."""
    segments = speakers.segments(source)
    if request.text is not None:
        return pipeline.from_text(request.text, list(segments), source)
    if request.content:
        return _recorded(request.content)
    return pipeline.translate(segments, source, note, keep_left_out=request.script is not None)


def _recorded(content: Path) -> Iterator[TranslatedSegment]:
    """Yield the segments of an English recording. Raises AudioError for a recording without speech."""
    found = []
    for segment in speech_segments(read_blocks(content), header(content)[0]):
        found = [segment]
        yield TranslatedSegment(segment, "", "", spoken=segment.wav)
    check_has_speech(found, content)
