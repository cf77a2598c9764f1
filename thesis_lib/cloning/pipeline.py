"""Translate Spanish speech, synthesise the English, and convert it to the source speaker's voice.

Whisper translates, Kokoro synthesises the English text, and the conversion vocoder renders that speech with the
speaker and emotion embeddings of the source and the F0 movement of each segment, at the source's log-F0 median and
standard deviation, speaking rate, loudness and loudness variation. The pipeline works segment by segment, so memory
does not grow with the length of a recording; the next segment is translated while the current one is synthesised.

Shapes: N samples, n samples of one block.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from thesis_lib.audio.files import AudioError, check_audible, resample
from thesis_lib.audio.loudness import as_loud_as, limited
from thesis_lib.audio.prosody import with_loudness_variation
from thesis_lib.audio.repair import repaired
from thesis_lib.audio.voice_activity import RATE, Segment, check_has_speech, speech_segments
from thesis_lib.cloning.clauses import split_into_clauses
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.live_voice import LiveVoice, SegmentVoice
from thesis_lib.cloning.plausibility import Languages, doubts, left_out, lengthening_notes
from thesis_lib.cloning.prosody import (
    MAX_SPEED,
    MIN_SPEED,
    NEUTRAL_LOUDNESS_VARIATION,
    fitting_stretch,
    followed,
    limited_speed,
    strengthened,
    styled,
)
from thesis_lib.cloning.readings import unfinished_sentence
from thesis_lib.cloning.segment_style import SegmentStyles
from thesis_lib.cloning.segments import Style, SynthesisedSegment, TranslatedSegment, Translation, timed
from thesis_lib.cloning.speaker import PhoneticStates, Speaker, SpeakerAnalyser
from thesis_lib.cloning.translated import SPANISH
from thesis_lib.cloning.translation import Translator, begin_translation, translated_speech
from thesis_lib.cloning.tts import Synthesizer
from thesis_lib.cloning.voices import NEAREST, check_encoder, nearest_voice, voice_rate
from thesis_lib.cloning.watermark import add_watermark
from thesis_lib.config import CloningConfig
from thesis_lib.embeddings.encoders import Encoder
from thesis_lib.utils.memory import trim_heap
from thesis_lib.utils.parallel import prefetch
from thesis_lib.vocoder.rendering import BaseVocoder

MIN_PAUSE_SECONDS = 0.15  # between two synthesised segments
MAX_CONTEXT_CHARS = 200  # of an unfinished sentence that the translator gets with the next segment
LIVE_PAUSE_SECONDS = 0.4  # silence that ends a segment of live speech


class VoiceCloningPipeline:
    """Spanish speech -> English speech for its speaker and emotion. An object with the same call can replace a stage.

    One thread calls the translator while another calls the encoders; in live speech two may call the translator.

    Raises CloningError for encoders of other sizes than the vocoder's, and for the nearest voice without ECAPA;
    EncoderMismatchError for encoders of another name or revision than those that the vocoder was trained with.
    """

    def __init__(
        self,
        translator: Translator,
        synthesizer: Synthesizer,
        speaker_encoder: Encoder,
        emotion_encoder: Encoder,
        vocoder: BaseVocoder,
        config: CloningConfig | None = None,
        phonetic_states: PhoneticStates | None = None,
    ) -> None:
        """``phonetic_states`` measures the speaking rate of the source; without it the output has the average rate."""
        config = config or CloningConfig()
        wanted = (speaker_encoder.dim, emotion_encoder.dim)
        given = (vocoder.description.speaker_dim, vocoder.description.emotion_dim)
        if wanted != given:
            raise CloningError(
                f"{vocoder.name}: the vocoder was trained on embeddings of sizes {given}, "
                f"{speaker_encoder.name} and {emotion_encoder.name} give {wanted}: use the encoders of its config.json"
            )
        check_encoder(config.voice, speaker_encoder.name)
        vocoder.description.check_encoders(speaker_encoder, emotion_encoder)
        self.translator, self.synthesizer, self.vocoder, self.config = translator, synthesizer, vocoder, config
        self.analyser = SpeakerAnalyser(
            speaker_encoder, emotion_encoder, vocoder.audio, vocoder.mean_emotion, phonetic_states
        )
        self._in_segment = SegmentStyles(self.analyser)

    def copy_with(
        self, vocoder: BaseVocoder | None = None, config: CloningConfig | None = None
    ) -> "VoiceCloningPipeline":
        """Return a pipeline with the same stages but another vocoder or configuration."""
        changes = {"vocoder": (vocoder or self.vocoder).to(self.vocoder.device), "config": config or self.config}
        return VoiceCloningPipeline(**self.arguments() | changes)

    def arguments(self) -> dict[str, Any]:
        """The arguments of a pipeline with the same stages and configuration."""
        stages = {"translator": self.translator, "synthesizer": self.synthesizer, "vocoder": self.vocoder}
        return stages | self.analyser.networks() | {"config": self.config}

    @property
    def sample_rate(self) -> int:
        """Sample rate of the output, Hz."""
        return self.vocoder.sample_rate

    def __call__(
        self,
        wav: np.ndarray,
        sample_rate: int,
        text: str | None = None,
        source: object = "audio",
        speaker: Speaker | None = None,
    ) -> Translation:
        """Translate (N,) Spanish speech.

        ``text``: English to synthesise instead of the translation; else the voice is that of translated speech only.
        ``speaker``: target speaker, if it is not the recording's own; the style of the segments is the recording's.
        ``source`` names the recording in errors.
        Raises AudioError: unusable audio, no speech, another language than Spanish, no words recognised.
        """
        wav, repairs = repaired(np.asarray(wav))
        check_audible(wav, sample_rate, source)
        segments = list(speech_segments([wav], sample_rate))
        spoken = self._speech_for_voice(segments, source, is_translated=text is None)
        notes = list[str]()  # of the translation
        translated: Iterable[TranslatedSegment] = self.translate(segments, source, notes.append)  # nothing yet
        if text is not None:
            translated = self.from_text(text, segments, source)
        with ThreadPoolExecutor(1, "speaker") as pool:  # beside the translation of the first segment
            own = pool.submit(self.analyser, spoken, source)

            def one(segment: TranslatedSegment) -> SynthesisedSegment:
                return self.synthesise_one(segment, replace(speaker or own.result(), recorded=own.result().recorded))

            synthesised = list(self.synthesise_each(translated, one))
        speaker = speaker or own.result()
        notes = [*(f"{source}: {note}" for note in repairs), *speaker.warnings, *notes]
        notes += lengthening_notes(synthesised, source, len(wav) / sample_rate)
        return Translation(synthesised, speaker, self.sample_rate, self.analyser.speaker_encoder, tuple(notes))

    def analyse_speaker(
        self, segments: Iterable[Segment], source: object = "audio", alone: bool = False, is_translated: bool = False
    ) -> Speaker:
        """Extract the voice of the main speaker, or the only one (``alone``), from the first minute of speech.

        ``is_translated``: speech that ``translate`` leaves out for its language has no part in the voice, unless that
        is all speech. Raises AudioError if there is no segment.
        """
        return self.analyser(self._speech_for_voice(segments, source, is_translated), source, alone)

    def _speech_for_voice(self, segments: Iterable[Segment], source: object, is_translated: bool) -> list[Segment]:
        language = self.config.language if is_translated else SPANISH
        spoken = translated_speech(segments, self.translator, language)
        check_has_speech(spoken, source)
        return spoken

    def from_text(self, text: str, segments: Sequence[Segment], source: object = "audio") -> list[TranslatedSegment]:
        """Return English text as one translated segment over all speech of the source. AudioError without a segment."""
        check_has_speech(segments, source)
        wav = np.concatenate([segment.wav for segment in segments])
        covered = Segment(segments[0].start, segments[-1].end, wav)
        return [TranslatedSegment(covered, "", text)]

    def translate(
        self,
        segments: Iterable[Segment],
        source: object = "audio",
        note: Callable[[str], None] = lambda text: None,
        transcribe: bool = True,
        keep_left_out: bool = False,
    ) -> Iterator[TranslatedSegment]:
        """Translate each segment; segments without words are left out, or marked so with ``keep_left_out``.

        ``note`` is called with a message for every segment that was left out or that is uncertain (``plausibility``).
        Raises AudioError if nothing is Spanish and the clear majority of the recording is in another language, and if
        nothing is left to be spoken. With ``cloning.language=es`` all speech counts as Spanish.
        """
        context, why, languages = dict[str, str](), "no speech", Languages()  # the context is of one speaker
        for segment in segments:
            seconds, before = dict[str, float](), context.get(segment.speaker, "")
            with timed(seconds, "translate"):
                found = self.translator(segment.wav, RATE, before, transcribe)
            if self.config.language == SPANISH:
                found = replace(found, language=SPANISH)
            languages.add(found, segment.duration)
            place = f"{source}: {segment.start:.1f}-{segment.end:.1f} s"
            why = left_out(found, segment.duration)
            notes = (f"{why}, segment left out",) if why else tuple(doubts(found))
            for text in notes:
                note(f"{place}: {text}")
            if not why:
                context = {segment.speaker: unfinished_sentence(f"{before} {found.english}")[-MAX_CONTEXT_CHARS:]}
            if keep_left_out or not why:
                texts = found.transcript, found.english
                yield TranslatedSegment(segment, *texts, None, seconds, None, notes, bool(why))
        languages.check_spanish(source)
        if not context:
            reason = "no words were recognised" if why in ("no speech", "no words recognised") else why
            raise AudioError(reason, source, "nothing can be spoken: name a recording that contains Spanish speech")

    def live(
        self, blocks: Iterable[np.ndarray], sample_rate: int, note: Callable[[str], None] = lambda text: None
    ) -> Iterator[SynthesisedSegment]:
        """Translate blocks (n,) of live speech clause by clause; yield each clause as soon as it is synthesised.

        ``live_voice`` measures voice and style. To keep the delay short there is no transcript, and a single speaker is
        assumed. Raises AudioError as ``translate`` does, and where the voice of the first segment cannot be used.
        """
        extract = partial(self.analyser, source="live speech", alone=True, rate=False)
        with LiveVoice(extract, self._measured, partial(begin_translation, self.translator)) as voice:
            segments = voice.measured(speech_segments(blocks, sample_rate, LIVE_PAUSE_SECONDS, voice.expect))
            clauses = split_into_clauses(voice.kept(self.translate(segments, "live speech", note, transcribe=False)))
            yield from self.synthesise_each(clauses, partial(self._in_measured_style, voice))

    def _measured(self, voice: Speaker, segment: Segment) -> SegmentVoice:
        """Measure the style of a segment of live speech."""
        style = self.style_of(TranslatedSegment(segment, "", ""), voice)
        styled = self._in_segment(voice, segment, style.strength) if self.config.follow_segments else voice
        return SegmentVoice(replace(styled, recorded=None), style)  # its style is not measured again

    def _in_measured_style(self, voice: LiveVoice, clause: TranslatedSegment) -> SynthesisedSegment:
        found = voice.of(clause.segment)
        made = self.synthesise_one(replace(clause, style=found.style), found.styled)
        voice.update(clause)
        return made

    def synthesise(self, translated: Iterable[TranslatedSegment], speaker: Speaker) -> Iterator[SynthesisedSegment]:
        """Synthesise each translated segment, while another thread translates the next."""
        return self.synthesise_each(translated, partial(self.synthesise_one, speaker=speaker))

    def synthesise_each(
        self, translated: Iterable[TranslatedSegment], one: Callable[[TranslatedSegment], SynthesisedSegment]
    ) -> Iterator[SynthesisedSegment]:
        """``synthesise`` with ``one`` instead of ``synthesise_one``, for example to take segments from a cache."""
        end = 0.0
        for segment in prefetch(translated):
            made = one(segment)
            start = max(segment.segment.start, end + MIN_PAUSE_SECONDS if end else 0.0)
            end = start + len(made.wav) / self.sample_rate
            yield replace(made, start=start, end=end)
            trim_heap()

    def synthesise_one(self, translated: TranslatedSegment, speaker: Speaker) -> SynthesisedSegment:
        """Synthesise one segment, convert its voice, normalise its loudness and add the watermark; it starts at 0 s."""
        seconds = dict(translated.seconds)
        with timed(seconds, "speak"):
            style = self.style_of(translated, speaker)
            if self.config.follow_segments and translated.spoken is None:
                speaker = self._in_segment(speaker, translated.segment, style.strength)
            content = self.content(translated, speaker, style)
        with timed(seconds, "render"):
            wav = self._converted(content, translated, speaker, style)
        with timed(seconds, "finish"):
            wav = self._with_dynamics(wav, speaker, style.strength)
            wav = as_loud_as(wav, translated.segment.wav, self.sample_rate, RATE, speaker.loudness)
            if self.config.watermark:
                wav = add_watermark(wav, self.sample_rate)
            wav = limited(wav, self.sample_rate)
        return SynthesisedSegment(translated, 0.0, content, wav, len(wav) / self.sample_rate, seconds)

    def style_of(self, translated: TranslatedSegment, speaker: Speaker) -> Style:
        """Strength of the style, and the speaking rate of the output: those of the segment, else measured ones."""
        given = translated.style or Style(self.config.style_strength)
        if given.speed is not None:
            return given
        if not self.config.follow_rate or translated.spoken is not None:
            return replace(given, speed=1.0)
        rate = self.analyser.speaking_rate(translated.segment.wav)
        relative = (1.0 if rate is None else rate) * speaker.prosody.relative_rate
        return replace(given, speed=limited_speed(relative**given.strength))

    def _with_dynamics(self, wav: np.ndarray, speaker: Speaker, strength: float) -> np.ndarray:
        wanted = strengthened(speaker.prosody.loudness_variation, NEUTRAL_LOUDNESS_VARIATION, strength)
        if not self.config.follow_dynamics or wanted is None:
            return wav
        return with_loudness_variation(wav, self.sample_rate, wanted)

    def content(self, translated: TranslatedSegment, speaker: Speaker, style: Style | None = None) -> np.ndarray:
        """English speech (N,) before conversion, at the vocoder's rate; without ``style`` that is measured."""
        if translated.spoken is not None:
            return resample(translated.spoken, RATE, self.sample_rate)
        name = nearest_voice(speaker.voice.vectors()[0]) if self.config.voice == NEAREST else self.config.voice
        speed = ((style or self.style_of(translated, speaker)).speed or 1.0) / voice_rate(name, translated.english)
        spoken = self.synthesizer(translated.english, name, speed=float(np.clip(speed, MIN_SPEED, MAX_SPEED)))
        return resample(spoken, self.synthesizer.sample_rate, self.sample_rate)

    def _converted(
        self, content: np.ndarray, translated: TranslatedSegment, speaker: Speaker, style: Style
    ) -> np.ndarray:
        stretch, voice = 1.0, followed(speaker.voice, translated.part, self.config)
        if self.config.fit:
            stretch = fitting_stretch(len(content) / self.sample_rate, translated.segment.duration)
        voice = styled(voice, self.vocoder.mean_emotion, style.strength)
        return self.vocoder.render(content, voice, self.config.guidance, stretch)
