"""The pipeline on files of any length: the output is written as it comes, with subtitles and a note of consent."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import SUFFIXES, header, read_blocks, writing
from thesis_lib.audio.voice_activity import speech_segments
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.pipeline import (
    SynthesisedSegment,
    TranslatedSegment,
    VoiceCloningPipeline,
    demand_speech,
    laid_out,
    total_seconds,
)
from thesis_lib.cloning.speaker import Speaker, spoken_by
from thesis_lib.cloning.subtitles import write_subtitles
from thesis_lib.config import digest
from thesis_lib.embeddings.encoders import embed
from thesis_lib.embeddings.similarity import cosine
from thesis_lib.utils.files import fingerprint
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.synthesis import Vocoder

VOICES = Path("runs") / "voices"  # where adapted vocoders stay
PROBED = 60.0  # s of speech from which the voice is taken
COMPARED = 15.0  # s of output whose similarity to the speaker is measured


# adapter(recordings, folder, vocoder, minutes, progress) trains a vocoder on a voice, see training.adaptation.adapt.
Adapter = Callable[[Sequence[Path], Path, str, float, Progress], Vocoder]


@dataclass(frozen=True)
class Request:
    """What to make of a recording, beside the configuration. CloningError for options that contradict each other."""

    text: str | None = None  # English to speak instead of the translation
    content: Path | None = None  # English recording to render instead of the synthesizer's
    voice_from: tuple[Path, ...] = ()  # whose voice, when it is not the recording's own
    emotion_from: Path | None = None  # whose style
    emotion_mix: float = 1.0  # how far towards it: 0 the speaker's own, 1 the other's
    adapt: float = 0.0  # minutes of training on the voice before anything is rendered
    subtitles: bool = False
    consent: str = ""  # who has agreed, for the file's metadata

    def __post_init__(self) -> None:
        if self.text and self.content:
            raise CloningError("--text and --content both say what to say: give one of them")
        if self.emotion_mix != 1.0 and not self.emotion_from:
            raise CloningError("--emotion-mix mixes with another recording's style: name it by --emotion-from")


@dataclass(frozen=True)
class Clone:
    """What became of a recording."""

    source: str
    target: str
    source_duration: float  # s
    duration: float  # s
    transcript: str
    translation: str
    encoder: str
    similarity_before: float  # cosine to the speaker, of the synthesizer's speech
    similarity_after: float  # of the output
    notes: tuple[str, ...]
    seconds: dict[str, float]  # stage -> what it took
    subtitles: tuple[str, ...] = ()


def clone_file(
    pipeline: VoiceCloningPipeline,
    source: Path,
    target: Path,
    request: Request = Request(),
    say: Callable[[str], None] = lambda text: None,
    progress: Progress = silent,
    adapter: Adapter | None = None,
) -> Clone:
    """Spanish speech of any format, rate and length -> English speech in ``target``, written as it comes.

    ``say`` gets each note at once; they are in the result too. ``adapter`` trains the vocoder where the request asks
    for adaptation. Raises AudioError for unusable audio, and CloningError for a target that is the source or of an
    unknown format and for a missing adapter; an earlier target stays until the new one is whole.
    """
    source, target = Path(source), Path(target)
    check_target(source, target)
    speaker, notes = _speaker(pipeline, source, request), []

    def note(text: str) -> None:
        notes.append(text)
        say(text)

    for warning in speaker.warnings:
        note(warning)
    if request.adapt:
        pipeline = adapted_to(pipeline, request.voice_from or (source,), request.adapt, adapter, progress)
    _, length = header(source)
    passages = pipeline.synthesise(_lines(pipeline, source, request, note), speaker, source)
    kept: list[SynthesisedSegment] = []
    sides: dict[str, list[np.ndarray]] = {"content": [], "wav": []}
    with writing(target, pipeline.sample_rate, comment=metadata(request.consent)) as write:
        for passage, silence in laid_out(_by_the_second(passages, length, progress, target.name), pipeline.sample_rate):
            write(silence)
            write(passage.wav)
            if sum(map(len, sides["wav"])) < COMPARED * pipeline.sample_rate:
                for side, parts in sides.items():
                    parts.append(getattr(passage, side))
            kept.append(_texts_and_times(passage))
    encoder = pipeline.analyser.speaker_encoder
    before, after = (
        cosine(embed(encoder, np.concatenate(parts), pipeline.sample_rate), speaker.voice.vectors()[0])
        for parts in sides.values()
    )
    return Clone(
        source=str(source),
        target=str(target),
        source_duration=length,
        duration=kept[-1].end,
        transcript=" ".join(p.translated.transcript for p in kept).strip(),
        translation=" ".join(p.translated.english for p in kept).strip(),
        encoder=encoder.name,
        similarity_before=before,
        similarity_after=after,
        notes=tuple(notes),
        seconds=total_seconds(kept),
        subtitles=tuple(map(str, _subtitles(target, kept))) if request.subtitles else (),
    )


def check_target(source: Path, target: Path) -> None:
    """CloningError for a target that cannot be written, before anything has been computed."""
    if target.suffix.lower() not in SUFFIXES:
        raise CloningError(f"{target}: the suffix must be one of {', '.join(SUFFIXES)}")
    if target.resolve() == source.resolve():
        raise CloningError(f"{target} is the input: name another file for the output")


def recordings_in(folder: Path) -> list[Path]:
    """Every recording below a folder, in order. CloningError where there is none."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise CloningError(f"{folder} holds no recordings ({', '.join(SUFFIXES)})")
    return paths


def metadata(consent: str) -> str:
    """What a file says about itself."""
    return f"Synthetic speech in a cloned voice, made by thesis-lib. Consent: {consent or 'not stated'}."


def _speaker(pipeline: VoiceCloningPipeline, source: Path, request: Request) -> Speaker:
    """Whose voice and style the output gets."""
    own = _heard(pipeline, source)
    others = [_heard(pipeline, path).voice for path in request.voice_from]
    style = _heard(pipeline, request.emotion_from).voice if request.emotion_from else None
    return replace(own, voice=spoken_by(own.voice, others, style, request.emotion_mix))


def _heard(pipeline: VoiceCloningPipeline, path: Path) -> Speaker:
    """Who speaks at the beginning of a recording. AudioError where nobody does."""
    segments, seconds = [], 0.0
    for segment in speech_segments(read_blocks(path), header(path)[0]):
        segments.append(segment)
        seconds += segment.duration
        if seconds >= PROBED:
            break
    return pipeline.analyse_speaker(segments, path)


def adapted_to(
    pipeline: VoiceCloningPipeline,
    recordings: Sequence[Path],
    minutes: float,
    adapter: Adapter | None,
    progress: Progress = silent,
) -> VoiceCloningPipeline:
    """The pipeline with a vocoder that has trained on the voice; the second time it is there already."""
    if adapter is None:
        raise CloningError("speaker adaptation needs an adapter: pass thesis_lib.training.adaptation.adapt")
    key = digest([[fingerprint(path) for path in recordings], pipeline.vocoder.name, minutes])
    return pipeline.copy_with(adapter(recordings, VOICES / key, pipeline.vocoder.name, minutes, progress))


def _lines(
    pipeline: VoiceCloningPipeline, source: Path, request: Request, note: Callable[[str], None]
) -> Iterable[TranslatedSegment]:
    """What is to be said: the given words, the given recording, or the translation."""
    segments = speech_segments(read_blocks(source), header(source)[0])
    if request.text:
        return pipeline.from_text(request.text, list(segments), source)
    if request.content:
        return _said(request.content)
    return pipeline.translate(segments, source, note)


def _said(content: Path) -> Iterator[TranslatedSegment]:
    """The English recording's own speech, at its own times. AudioError where there is none."""
    said = []
    for segment in speech_segments(read_blocks(content), header(content)[0]):
        said = [segment]
        yield TranslatedSegment(segment, "", "", spoken=segment.wav)
    demand_speech(said, content)


def _by_the_second(
    passages: Iterable[SynthesisedSegment], length: float, progress: Progress, label: str
) -> Iterator[SynthesisedSegment]:
    """The passages, with a bar that counts the source's seconds."""

    def ticks() -> Iterator[SynthesisedSegment | None]:
        shown = 0
        for passage in passages:
            yield passage
            until = min(round(passage.translated.segment.end), round(length))
            yield from [None] * (until - shown - 1)
            shown = max(shown, until)

    return (tick for tick in progress(ticks(), round(length), label) if tick is not None)


def _texts_and_times(passage: SynthesisedSegment) -> SynthesisedSegment:
    """Memory must not grow with the recording."""
    nothing = np.zeros(0, np.float32)
    line = replace(passage.translated, segment=replace(passage.translated.segment, wav=nothing), spoken=None)
    return replace(passage, content=nothing, wav=nothing, translated=line)


def _subtitles(target: Path, passages: list[SynthesisedSegment]) -> list[Path]:
    """Spanish at the source's times, English at the output's."""
    sides = {
        "es": [
            (p.translated.segment.start, p.translated.segment.end, p.translated.transcript)
            for p in passages
            if p.translated.transcript
        ],
        "en": [(p.start, p.end, p.translated.english) for p in passages if p.translated.english],
    }
    stem = target.with_suffix("")
    return [path for language, cues in sides.items() for path in write_subtitles(stem, language, cues)]
