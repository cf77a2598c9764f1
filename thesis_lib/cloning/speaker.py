"""Extract the voice of a recording: speaker and emotion embedding, and the log-F0 median and standard deviation.

The voice is that of the speaker with the most speech. Segments are cut into pieces, the pieces' embeddings are
clustered by average linkage, and a cluster counts as another speaker if its mean cosine to the first is below
``MIN_SAME_SPEAKER_COSINE``, or ``MIN_SAME_SPEAKER_COSINE_APART``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from thesis_lib.audio.files import AudioError, check_speech, resample
from thesis_lib.audio.loudness import loudness
from thesis_lib.audio.pitch import Pitch, track
from thesis_lib.audio.prosody import loudness_variation
from thesis_lib.audio.voice_activity import RATE, Segment, signal_to_noise
from thesis_lib.cloning.prosody import (
    NEUTRAL_LOG_F0_STD,
    NEUTRAL_LOUDNESS_VARIATION,
    Prosody,
    mixed,
    speaking_rate_of,
)
from thesis_lib.config import AudioConfig
from thesis_lib.embeddings.encoders import Encoder, PartsEncoder, embed, embed_parts
from thesis_lib.embeddings.similarity import cosine
from thesis_lib.utils.cache import ResultCache
from thesis_lib.vocoder.voice import Voice

PIECE_SECONDS = 3.0  # about; the embedding of a shorter piece is less reliable
MIN_COMPARED_SECONDS = 1.5  # of a piece with an embedding that is clustered
# Mean cosine by ECAPA's ``encode_parts`` above which pieces are from the same speaker. Chosen on 45 bundled training
# voices and 120 speakers of human training recordings, so that it tells them apart about as often as separate passes do
# at 0.35; no result of that is saved. `python -m benchmarks interpret` measures it on other recordings.
MIN_SAME_SPEAKER_COSINE = 0.45
MIN_SAME_SPEAKER_COSINE_APART = 0.35  # where each piece is embedded in a pass of its own
MIN_OTHERS_SHARE = 0.15  # of the speech, from which a second speaker is reported
MAX_EMBEDDED_SECONDS = 20.0  # of speech from which the embeddings and the speaking rate are computed
MIN_STYLE_SECONDS = 1.0  # of speech, below which neither emotion nor prosody is followed
MIN_SIGNAL_TO_NOISE_DB = 5.0  # below which the recording is reported as noisy


PhoneticStates = Callable[[np.ndarray, int], np.ndarray]  # (N,), Hz -> (T, D): ``vocoder.content.phonetic_states``


@dataclass(frozen=True)
class Speaker:
    """The voice of a recording's main speaker, and warnings about the recording."""

    voice: Voice
    others: float = 0.0  # share of the speech that is from other speakers
    warnings: tuple[str, ...] = ()
    prosody: Prosody = Prosody()
    loudness: float | None = None  # LUFS of the speech; None where it cannot be measured
    recorded: Voice | None = None  # of the recording, to which its segments are compared; None: they are not followed
    followed: float = 1.0  # share of the recording's style in the output's, 0..1


class SpeakerAnalyser:
    """Segments of speech -> Speaker, with the encoders that the vocoder was trained with."""

    def __init__(
        self,
        speaker_encoder: Encoder,
        emotion_encoder: Encoder,
        audio: AudioConfig,
        mean_emotion: np.ndarray,
        phonetic_states: PhoneticStates | None = None,
    ) -> None:
        """``mean_emotion`` (E,): the training set's mean, the emotion of a neutral style.

        Without ``phonetic_states`` the speaking rate is not measured.
        """
        self.speaker_encoder, self.emotion_encoder, self.audio = speaker_encoder, emotion_encoder, audio
        self.phonetic_states = phonetic_states
        self._neutral = np.asarray(mean_emotion, np.float32)
        # The only segment of a recording is analysed for its voice and for its style.
        self._emotion, self._pitch = ResultCache[np.ndarray](), ResultCache[Pitch]()
        self._rate = ResultCache[float | None]()

    def networks(self) -> dict[str, Any]:
        """Argument of the pipeline -> the network that it gave."""
        return {name: getattr(self, name) for name in ("speaker_encoder", "emotion_encoder", "phonetic_states")}

    def emotion(self, wav: np.ndarray, source: object = "audio") -> np.ndarray:
        """Emotion embedding (E,) of speech (N,). Raises AudioError for speech that is clipped, silent or not finite."""
        return self._emotion.of(wav, lambda: embed(self.emotion_encoder, wav, RATE, source))

    def pitch(self, wav: np.ndarray) -> Pitch:
        """F0 and voicing of speech (N,), in frames of the vocoder."""
        return self._pitch.of(wav, lambda: track(resample(wav, RATE, self.audio.sample_rate), self.audio))

    def speaking_rate(self, wav: np.ndarray) -> float | None:
        """Speaking rate of the first ``MAX_EMBEDDED_SECONDS`` of speech (N,), relative to the bundled Spanish voices.

        None where it cannot be measured.
        """
        first = wav[: int(MAX_EMBEDDED_SECONDS * RATE)]
        return self._rate.of(first, lambda: self._speaking_rate(first))

    def _speaking_rate(self, wav: np.ndarray) -> float | None:
        if self.phonetic_states is None:
            return None
        try:
            states = self.phonetic_states(wav, RATE)
        except AudioError:
            return None
        return speaking_rate_of(states, wav)

    def __call__(
        self, segments: Sequence[Segment], source: object = "audio", alone: bool = False, rate: bool = True
    ) -> Speaker:
        """Extract the voice of the main speaker; ``alone`` skips the search for other speakers.

        ``source`` names the recording in errors and warnings. ``rate``: measure the speaking rate too, to which that of
        another style is compared.
        Raises AudioError for speech that is clipped, silent or not finite.
        """
        found = MainSpeaker([segment.wav for segment in segments])
        check_speech(np.concatenate(found.pieces), RATE, source)
        if not alone:
            found = dominant(segments, self.speaker_encoder, source)
        wav, others = np.concatenate(found.pieces)[: int(MAX_EMBEDDED_SECONDS * RATE)], found.others
        speaker = embed(self.speaker_encoder, wav, RATE, source) if found.vector is None else found.vector
        warnings = _warnings(segments, others, source)
        pitch, level = self.pitch(wav), loudness(wav, RATE)
        if reason := _no_style(wav, pitch):
            warnings += (
                f"{source}: {reason}: the speaking style is neutral: "
                f"use a recording with at least {MIN_STYLE_SECONDS:g} s of voiced speech",
            )
            voice = Voice(speaker, self._neutral, pitch.log_f0_median, NEUTRAL_LOG_F0_STD)
            return Speaker(voice, others, warnings, Prosody(NEUTRAL_LOUDNESS_VARIATION), level)
        emotion, measured = self.emotion(wav, source), pitch.range
        voice = Voice(speaker, emotion, measured.log_f0_median, measured.log_f0_std)
        recorded = voice if others < MIN_OTHERS_SHARE else None  # else a segment may be of another speaker
        prosody = Prosody(loudness_variation(wav, RATE), self.speaking_rate(wav) if rate else None)
        return Speaker(voice, others, warnings, prosody, level, recorded)


def _no_style(wav: np.ndarray, pitch: Pitch) -> str:
    """Why speech (N,) has no style that could be followed; "" where it has one."""
    if (seconds := len(wav) / RATE) < MIN_STYLE_SECONDS:
        return f"only {seconds:.1f} s of speech"
    return "" if pitch.is_voiced else "no voiced speech, as in a whisper"


def _warnings(segments: Sequence[Segment], others: float, source: object) -> tuple[str, ...]:
    found = []
    if others >= MIN_OTHERS_SHARE:
        found.append(
            f"{source}: more than one speaker: {others:.0%} of the speech is from other speakers; "
            "the voice of the main speaker is used: give --speakers auto for the voice of each, or cut the recording"
        )
    if (ratio := signal_to_noise(segments)) < MIN_SIGNAL_TO_NOISE_DB:
        found.append(
            f"{source}: very noisy, signal-to-noise ratio about {ratio:.0f} dB: "
            "translation and voice may be wrong: use a cleaner recording"
        )
    return tuple(found)


class MainSpeaker(NamedTuple):
    """The speaker with the most speech in a recording."""

    pieces: list[np.ndarray]  # (N,) each, of this speaker's speech
    others: float = 0.0  # share of the speech that is from other speakers
    vector: np.ndarray | None = None  # embedding of the pieces, where finding them has computed it


def dominant(segments: Sequence[Segment], encoder: Encoder, source: object = "audio") -> MainSpeaker:
    """Find the speaker with the most speech. Raises AudioError for speech that is clipped, silent or not finite.

    Pieces of less than ``MIN_COMPARED_SECONDS`` are not compared, and left out where others are.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    pieces = [x for s in segments for x in np.array_split(s.wav, max(1, round(s.duration / PIECE_SECONDS)))]
    compared = [x for x in pieces if len(x) >= MIN_COMPARED_SECONDS * RATE]
    if len(compared) < 2:
        return MainSpeaker(pieces)
    if isinstance(encoder, PartsEncoder) and encoder.sample_rate == RATE:
        found = [embed_parts(encoder, block, source) for block in _blocks(compared)]
        vectors, whole = np.concatenate([x[1:] for x in found]), [x[0] for x in found]
        least = MIN_SAME_SPEAKER_COSINE
    else:
        vectors, whole = np.stack([embed(encoder, x, RATE, source) for x in compared]), []
        least = MIN_SAME_SPEAKER_COSINE_APART
    labels = fcluster(linkage(vectors, "average", metric="cosine"), 1 - least, "distance")
    samples = np.bincount(labels, weights=[len(x) for x in compared])
    main = [x for x, label in zip(compared, labels, strict=True) if label == samples.argmax()]
    vector = whole[0] if len(whole) == 1 and len(main) == len(pieces) else None
    return MainSpeaker(main, 1 - samples.max() / samples.sum(), vector)


def _blocks(pieces: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Consecutive pieces, together no longer than ``MAX_EMBEDDED_SECONDS``."""
    blocks = list[list[np.ndarray]]()
    for piece in pieces:
        if not blocks or sum(map(len, blocks[-1])) + len(piece) > MAX_EMBEDDED_SECONDS * RATE:
            blocks.append([])
        blocks[-1].append(piece)
    return blocks


def similarity_to_speaker(encoder: Encoder, wav: np.ndarray, sample_rate: int, speaker: Speaker) -> float:
    """Cosine of the embedding of (N,) to the speaker's. Raises what ``embed`` raises."""
    return cosine(embed(encoder, wav, sample_rate), speaker.voice.vectors()[0])


def average(voices: Sequence[Voice]) -> Voice:
    """Average several recordings of one voice; of the speaker embedding, direction and length separately."""
    speakers, emotions = zip(*(voice.vectors() for voice in voices), strict=True)
    lengths = [np.linalg.norm(speaker) for speaker in speakers]
    direction = np.mean([x / n for x, n in zip(speakers, lengths, strict=True)], axis=0)

    def mean(values: list) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    return Voice(
        (direction / np.linalg.norm(direction) * np.mean(lengths)).astype(np.float32),
        np.mean(emotions, axis=0).astype(np.float32),
        mean([voice.log_f0_median for voice in voices]),
        mean([voice.log_f0_std for voice in voices]),
    )


def combined_voice(own: Voice, others: Sequence[Voice], style: Voice | None, share: float) -> Voice:
    """Combine the source's voice with target speakers and a speaking style.

    With ``others``, speaker embedding and log-F0 median are their average; the speaking style stays the source's.
    With ``style``, the speaking style is interpolated towards it by ``share`` (0..1).
    """
    voice = replace(average(others), emotion=own.emotion, log_f0_std=own.log_f0_std) if others else own
    return between(voice, style, share) if style else voice


def between(voice: Voice, style: Voice, share: float) -> Voice:
    """Interpolate emotion embedding and log-F0 standard deviation: 0 keeps the voice's, 1 takes the style's."""
    emotion = mixed(voice.emotion, style.emotion, share)
    deviation = mixed(voice.log_f0_std, style.log_f0_std, share)
    return replace(voice, emotion=np.asarray(emotion, np.float32), log_f0_std=deviation)
