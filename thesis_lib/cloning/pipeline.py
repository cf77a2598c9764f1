"""Spanish speech in, English speech out: translate, speak, render with the source's embeddings.

Whisper translates, Kokoro speaks the English, and the conversion vocoder renders that speech with the Spanish
speaker's embeddings, at the Spanish speaker's pitch, rate and loudness. Everything flows segment by segment, so that
an hour takes no more memory than a minute; the next segment is translated while this one is spoken.
"""

import ctypes
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar, cast

import numpy as np

from thesis_lib.audio.files import AudioError, check_audible, resample
from thesis_lib.audio.loudness import as_loud_as, limited
from thesis_lib.audio.voice_activity import RATE, Segment, speech_segments
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.speaker import Speaker, SpeakerAnalyser
from thesis_lib.cloning.translation import Translator, unfinished
from thesis_lib.cloning.voices import NEAREST, nearest_voice
from thesis_lib.cloning.watermark import add_watermark
from thesis_lib.config import CloningConfig
from thesis_lib.embeddings.encoders import Encoder, embed
from thesis_lib.embeddings.similarity import cosine
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import MEAN_VOICE, Voice

USUAL_RATE = 11.0  # letters a second of Spanish; of people 9, of the bundled voices 13 (`python -m benchmarks clone`)
SLOWEST, FASTEST = 0.8, 1.25  # how far a style may change the rate of speech
GAP = 0.15  # s, the shortest pause between two passages
REMEMBERED = 200  # characters, at most, of an unfinished sentence that the next segment's translation is given
SPEAKER_SETTLED_SECONDS = 10.0  # s of speech after which a live voice is settled
DECISIVE = 2.0  # s of speech from which its language and its rate can be told
FEWEST, FIRST = 4, 5  # words of a clause that is spoken by itself: at least, and of a line's first one at most
AFTER_A_BREATH = frozenset(
    "and but or because that which who when where while if to for with in on at from by of as".split()  # noqa: SIM905
)
LIVE_PAUSE = 0.4  # s that end a segment of live speech
T = TypeVar("T")
MMAP_THRESHOLD, LARGE = -3, 1 << 20  # mallopt's name for it (malloc.h), and bytes


class Synthesizer(Protocol):
    """English text -> speech (N,) at ``sample_rate``, in one of its voices."""

    sample_rate: int

    def __call__(self, text: str, voice: str, language: str = "en", speed: float = 1.0) -> np.ndarray:
        """SpeechError for what it cannot say."""


@dataclass(frozen=True)
class TranslatedSegment:
    """What is to be said, and whose place it takes in the source."""

    segment: Segment  # of the source
    transcript: str
    english: str
    speed: float = 1.0  # of speech, beside what is usual
    spoken: np.ndarray | None = None  # (N,) at RATE, where somebody has said it already
    seconds: dict[str, float] = field(default_factory=dict)  # stage -> what it took


@dataclass(frozen=True)
class SynthesisedSegment:
    """A line, spoken and rendered, and where it stands in the output."""

    translated: TranslatedSegment
    start: float  # s in the output
    content: np.ndarray  # (N,) English in the synthesizer's voice, at the vocoder's rate
    wav: np.ndarray  # (N',) the same in the speaker's
    end: float  # s in the output
    seconds: dict[str, float]  # stage -> what it took, translation included


@dataclass(frozen=True)
class Translation:
    """A whole recording: its passages, and how near each side is to the speaker (cosine by ``encoder``)."""

    segments: list[SynthesisedSegment]
    speaker: Speaker
    sample_rate: int  # Hz, of ``wav``
    encoder: str
    similarity_before: float
    similarity_after: float
    notes: tuple[str, ...]

    @property
    def transcript(self) -> str:
        """All that was heard."""
        return " ".join(passage.translated.transcript for passage in self.segments)

    @property
    def translation(self) -> str:
        """All that is said."""
        return " ".join(passage.translated.english for passage in self.segments)

    @property
    def content(self) -> np.ndarray:
        """(N,) all passages in the synthesizer's voice, one after the other."""
        return np.concatenate([passage.content for passage in self.segments])

    @property
    def wav(self) -> np.ndarray:
        """(N,) the passages with their pauses, as long as the source's."""
        laid = laid_out(self.segments, self.sample_rate)
        return np.concatenate([part for passage, silence in laid for part in (silence, passage.wav)])

    @property
    def seconds(self) -> dict[str, float]:
        """stage -> what it took in all."""
        return total_seconds(self.segments)


def laid_out(
    passages: Iterable[SynthesisedSegment], sample_rate: int
) -> Iterator[tuple[SynthesisedSegment, np.ndarray]]:
    """Each passage and the silence (n,) before it, so that together they are the output."""
    written = 0
    for passage in passages:
        silence = max(0, round(passage.start * sample_rate) - written)
        yield passage, np.zeros(silence, np.float32)
        written += silence + len(passage.wav)


def total_seconds(passages: Sequence[SynthesisedSegment]) -> dict[str, float]:
    """stage -> what it took in all."""
    stages = dict.fromkeys(stage for passage in passages for stage in passage.seconds)
    return {stage: sum(passage.seconds.get(stage, 0.0) for passage in passages) for stage in stages}


class VoiceCloningPipeline:
    """The stages behind one call; each is anything with the same call."""

    def __init__(
        self,
        translator: Translator,
        synthesizer: Synthesizer,
        speaker_encoder: Encoder,
        emotion_encoder: Encoder,
        vocoder: Vocoder,
        config: CloningConfig | None = None,
    ) -> None:
        config = config or CloningConfig()
        wanted = (speaker_encoder.dim, emotion_encoder.dim)
        given = (vocoder.meta["speaker_dim"], vocoder.meta["emotion_dim"])
        if wanted != given:
            raise CloningError(f"the vocoder was trained on embeddings of sizes {given}, these encoders give {wanted}")
        if config.voice == NEAREST and speaker_encoder.name != "ecapa":
            raise CloningError(f"cloning.voice={NEAREST} needs ECAPA, not {speaker_encoder.name}: name a voice")
        self.translator, self.synthesizer, self.vocoder, self.config = translator, synthesizer, vocoder, config
        self.analyser = SpeakerAnalyser(speaker_encoder, emotion_encoder, vocoder.audio)

    def copy_with(self, vocoder: Vocoder | None = None, config: CloningConfig | None = None) -> "VoiceCloningPipeline":
        """The same stages around another vocoder, or with another configuration."""
        encoders = self.analyser.speaker_encoder, self.analyser.emotion_encoder
        changed = vocoder or self.vocoder, config or self.config
        return VoiceCloningPipeline(self.translator, self.synthesizer, *encoders, *changed)

    @property
    def sample_rate(self) -> int:
        """Hz, of the output."""
        return self.vocoder.sample_rate

    def __call__(
        self,
        wav: np.ndarray,
        sample_rate: int,
        text: str | None = None,
        source: object = "audio",
        speaker: Speaker | None = None,
    ) -> Translation:
        """(N,) Spanish speech -> Translation. With ``text``, that English is spoken instead of the translation.

        ``speaker`` is whose voice it gets, when that is not the recording's own.

        Raises AudioError: unusable audio, no speech in it, not Spanish, no words heard.
        """
        check_audible(wav, sample_rate, source)
        segments = list(speech_segments([wav], sample_rate))
        speaker = speaker or self.analyse_speaker(segments, source)
        notes = list(speaker.warnings)
        lines = self.from_text(text, segments, source) if text else self.translate(segments, source, notes.append)
        passages = list(self.synthesise(lines, speaker, source))
        sides = (np.concatenate([getattr(p, side) for p in passages]) for side in ("content", "wav"))
        encoder, rate = self.analyser.speaker_encoder, self.sample_rate
        before, after = (cosine(embed(encoder, x, rate), speaker.voice.vectors()[0]) for x in sides)
        return Translation(passages, speaker, rate, encoder.name, before, after, tuple(notes))

    def analyse_speaker(self, segments: Sequence[Segment], source: object = "audio") -> Speaker:
        """Who speaks. AudioError where nobody does."""
        demand_speech(segments, source)
        return self.analyser(segments, source)

    def from_text(self, text: str, segments: Sequence[Segment], source: object = "audio") -> list[TranslatedSegment]:
        """The text instead of what was said, from where the speech began. AudioError where nobody speaks."""
        demand_speech(segments, source)
        wav = np.concatenate([segment.wav for segment in segments])
        return [TranslatedSegment(Segment(segments[0].start, segments[-1].end, wav), "", text)]

    def translate(
        self,
        segments: Iterable[Segment],
        source: object = "audio",
        note: Callable[[str], None] = lambda text: None,
        transcribe: bool = True,
    ) -> Iterator[TranslatedSegment]:
        """Segments -> TranslatedSegments, one each; ``note`` hears what was left out, or is doubtful.

        AudioError where the first speech that is long enough to tell is surely not Spanish, or no words are heard.
        Later, a few words in another language, or that sound so, are translated like the rest.
        """
        before, said = "", False
        for segment in segments:
            seconds: dict[str, float] = {}
            with stage(seconds, "translate"):
                found = self.translator(segment.wav, RATE, before, transcribe)
            place = f"{segment.start:.1f}-{segment.end:.1f} s"
            if found.is_foreign and not said and segment.duration >= DECISIVE:
                raise AudioError(
                    f"the speech sounds like language '{found.language}' ({found.language_probability:.0%} sure)",
                    source,
                    "this pipeline translates Spanish",
                )
            if not found.english.strip():
                note(f"{place}: no words heard, left out")
                continue
            if found.is_foreign:
                note(f"{place}: sounds like language '{found.language}', translated as Spanish")
            said, before = True, unfinished(f"{before} {found.english}")[-REMEMBERED:]
            yield TranslatedSegment(
                segment, found.transcript, found.english, self._speed(found.transcript, segment), None, seconds
            )
        if not said:
            raise AudioError("no words were heard", source, "is there speech in it?")

    def live(
        self, blocks: Iterable[np.ndarray], sample_rate: int, note: Callable[[str], None] = lambda text: None
    ) -> Iterator[SynthesisedSegment]:
        """Samples (n,) as a microphone gives them -> SynthesisedSegments, clause by clause.

        The voice is the speaker's as far as it has been heard, and is settled after ten seconds of speech. To be
        quick, nothing is transcribed, speech has its usual rate, and there is taken to be one speaker.
        """
        segments = speech_segments(blocks, sample_rate, LIVE_PAUSE)
        return self.synthesise(split_into_clauses(self.translate(segments, "live speech", note, transcribe=False)))

    def synthesise(
        self, lines: Iterable[TranslatedSegment], speaker: Speaker | None = None, source: object = "audio"
    ) -> Iterator[SynthesisedSegment]:
        """TranslatedSegments -> SynthesisedSegments, each while the next one is being translated.

        Without a ``speaker`` the voice is taken from the lines' own segments, as far as they have been heard.
        """
        cursor, voice = 0.0, speaker.voice if speaker else MEAN_VOICE
        heard: list[Segment] = []
        for line in ahead(lines):
            is_new = not heard or line.segment is not heard[-1]
            if speaker is None and is_new and sum(segment.duration for segment in heard) < SPEAKER_SETTLED_SECONDS:
                heard.append(line.segment)
                voice = self.analyser(heard, source, alone=True).voice
            passage = self.synthesise_one(line, voice)
            start = max(line.segment.start, cursor + GAP if cursor else 0.0)
            cursor = start + len(passage.wav) / self.sample_rate
            yield replace(passage, start=start, end=cursor)
            _give_memory_back()

    def synthesise_one(self, line: TranslatedSegment, voice: Voice) -> SynthesisedSegment:
        """One line, spoken, rendered and finished; it stands at the beginning."""
        seconds = dict(line.seconds)
        with stage(seconds, "speak"):
            content = self._spoken(line, voice)
        with stage(seconds, "render"):
            wav = self._rendered(content, line, voice)
        with stage(seconds, "finish"):
            wav = as_loud_as(wav, line.segment.wav, self.sample_rate, RATE)
            if self.config.watermark:
                wav = add_watermark(wav, self.sample_rate)
            wav = limited(wav, self.sample_rate)
        return SynthesisedSegment(line, 0.0, content, wav, len(wav) / self.sample_rate, seconds)

    def _spoken(self, line: TranslatedSegment, voice: Voice) -> np.ndarray:
        if line.spoken is not None:
            return resample(line.spoken, RATE, self.sample_rate)
        name = nearest_voice(voice.vectors()[0]) if self.config.voice == NEAREST else self.config.voice
        spoken = self.synthesizer(line.english, name, speed=line.speed)
        return resample(spoken, self.synthesizer.sample_rate, self.sample_rate)

    def _rendered(self, content: np.ndarray, line: TranslatedSegment, voice: Voice) -> np.ndarray:
        stretch = 1.0
        if self.config.fit:
            stretch = float(np.clip(line.segment.duration * self.sample_rate / len(content), SLOWEST, FASTEST))
        if not self.config.follow_pitch:
            voice = replace(voice, pitch_spread=None)
        return self.vocoder.render(content, voice, self.config.guidance, stretch)

    def _speed(self, transcript: str, segment: Segment) -> float:
        """How fast the speaker speaks, beside what is usual."""
        letters = sum(letter.isalpha() for letter in transcript)
        if not self.config.follow_rate or not letters or segment.duration < DECISIVE:
            return 1.0
        return float(np.clip(letters / segment.duration / USUAL_RATE, SLOWEST, FASTEST))


def demand_speech(segments: Sequence[Segment], source: object) -> None:
    """AudioError where there is no segment."""
    if not segments:
        raise AudioError("no speech", source, "nobody is heard speaking: is it music, noise, or far too quiet?")


def return_large_memory() -> None:
    """Let glibc return every large block when it is freed: by itself it keeps ever larger ones for later.

    Elsewhere there is nothing to do.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)


def _give_memory_back() -> None:
    """glibc keeps what the networks free: 10 MB more with each minute of speech. Elsewhere there is nothing to do."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@contextmanager
def stage(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Add what the block takes to ``seconds[name]``."""
    started = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started


def split_into_clauses(lines: Iterable[TranslatedSegment]) -> Iterator[TranslatedSegment]:
    """The lines cut at their punctuation, so that the first words can be heard while the next are made."""
    for line in lines:
        for number, clause in enumerate(clauses(line.english)):
            # What was heard, and what hearing it took, belongs to the first.
            part = replace(line, english=clause)
            yield replace(part, transcript="", seconds={}) if number else part


def clauses(text: str) -> list[str]:
    """The text in parts of at least ``FEWEST`` words that end at a punctuation mark; a long first one is cut earlier.

    What is heard first must not wait for a whole sentence: it ends before a word that may follow a breath, or after
    ``FIRST`` words.
    """
    found = [""]
    for part in re.split(r"(?<=[.!?;:,])\s+", text.strip()):
        if len(found[-1].split()) < FEWEST:
            found[-1] = f"{found[-1]} {part}".strip()
        else:
            found.append(part)
    if len(found) > 1 and len(found[-1].split()) < FEWEST:
        found[-2:] = [" ".join(found[-2:])]
    words = found[0].split()
    if len(words) >= FIRST + FEWEST:
        places = [n for n in range(FEWEST - 1, FIRST + 1) if words[n].lower() in AFTER_A_BREATH]
        cut = max(places, default=FIRST)
        found[:1] = [" ".join(words[:cut]), " ".join(words[cut:])]
    return found


def ahead(items: Iterable[T]) -> Iterator[T]:
    """The same items, each made, by another thread, while the one before is in use."""
    iterator, end = iter(items), cast(T, object())
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, iterator, end)
            yield item
