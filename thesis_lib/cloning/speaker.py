"""Who speaks in a recording, and how: what the English output takes from it.

The voice is that of whoever speaks most. Stretches of speech are cut into pieces, their embeddings clustered by
average linkage, and a cluster counts as another speaker when its mean cosine to the first is below ``SAME``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from thesis_lib.audio.files import check_speech, resample
from thesis_lib.audio.pitch import track
from thesis_lib.audio.voice_activity import RATE, Segment, signal_to_noise
from thesis_lib.config import AudioConfig
from thesis_lib.embeddings.encoders import Encoder, embed
from thesis_lib.vocoder.voice import Voice

PIECE = 3.0  # s, about; shorter pieces say less of who speaks
LEAST = 1.5  # s of a piece that is compared
SAME = 0.35  # mean cosine by ECAPA, above which pieces are one speaker's; `python -m benchmarks interpret` measures it
WORTH_A_WORD = 0.15  # share of the speech from which a second speaker is mentioned
ENOUGH = 20.0  # s of speech that a voice is taken from
NOISY = 5.0  # dB of signal to noise below which results suffer


@dataclass(frozen=True)
class Speaker:
    """A voice to speak in, and what to say about the recordings that it was taken from."""

    voice: Voice
    others: float = 0.0  # share of the speech that is somebody else's, where it is worth a word
    warnings: tuple[str, ...] = ()


class SpeakerAnalyser:
    """Recordings -> Speaker, by the encoders that the vocoder was trained with."""

    def __init__(self, speaker_encoder: Encoder, emotion_encoder: Encoder, audio: AudioConfig) -> None:
        self.speaker_encoder, self.emotion_encoder, self.audio = speaker_encoder, emotion_encoder, audio

    def __call__(self, segments: Sequence[Segment], source: object = "audio", alone: bool = False) -> Speaker:
        """The dominant speaker of some segments; ``alone`` where there is but one, which spares the search.

        AudioError where they are clipped, silent or not finite.
        """
        pieces, others = [segment.wav for segment in segments], 0.0
        check_speech(np.concatenate(pieces), RATE, source)
        if not alone:
            pieces, others = dominant(segments, self.speaker_encoder)
        wav = np.concatenate(pieces)[: int(ENOUGH * RATE)]
        speaker, emotion = (embed(x, wav, RATE, source) for x in (self.speaker_encoder, self.emotion_encoder))
        rate = self.audio.sample_rate
        pitch = track(resample(wav, RATE, rate), self.audio)
        level, spread = (pitch.range.level, pitch.range.spread) if pitch.is_voiced else (None, None)
        warnings = []
        if others >= WORTH_A_WORD:
            warnings.append(
                f"more than one speaker: {others:.0%} of the speech is another's; the main one's voice is used"
            )
        if (ratio := signal_to_noise(segments)) < NOISY:
            warnings.append(f"very noisy, about {ratio:.0f} dB of speech above noise: words and voice may suffer")
        return Speaker(Voice(speaker, emotion, level, spread), others, tuple(warnings))


def dominant(segments: Sequence[Segment], encoder: Encoder) -> tuple[list[np.ndarray], float]:
    """The pieces (N,) of whoever speaks most, and the share of the speech that is others'."""
    from scipy.cluster.hierarchy import fcluster, linkage

    pieces = [x for s in segments for x in np.array_split(s.wav, max(1, round(s.duration / PIECE)))]
    told = [x for x in pieces if len(x) >= LEAST * RATE]
    if len(told) < 2:
        return pieces, 0.0
    vectors = np.stack([embed(encoder, x, RATE) for x in told])
    labels = fcluster(linkage(vectors, "average", metric="cosine"), 1 - SAME, "distance")
    amount = np.bincount(labels, weights=[len(x) for x in told])
    return [
        x for x, label in zip(told, labels, strict=True) if label == amount.argmax()
    ], 1 - amount.max() / amount.sum()


def average(voices: Sequence[Voice]) -> Voice:
    """One voice out of several recordings of it: means, of the speaker vector's direction and of its length."""
    speakers, emotions = zip(*(voice.vectors() for voice in voices), strict=True)
    lengths = [np.linalg.norm(speaker) for speaker in speakers]
    direction = np.mean([x / n for x, n in zip(speakers, lengths, strict=True)], axis=0)

    def mean(values: list) -> float | None:
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    return Voice(
        (direction / np.linalg.norm(direction) * np.mean(lengths)).astype(np.float32),
        np.mean(emotions, axis=0).astype(np.float32),
        mean([voice.pitch_level for voice in voices]),
        mean([voice.pitch_spread for voice in voices]),
    )


def spoken_by(own: Voice, others: Sequence[Voice], style: Voice | None, share: float) -> Voice:
    """Whose voice: others' where there are any, in the own style; and that share of the way to another style."""
    # The style stays the source's: who speaks is one question, and how another.
    voice = replace(average(others), emotion=own.emotion, pitch_spread=own.pitch_spread) if others else own
    return between(voice, style, share) if style else voice


def between(voice: Voice, style: Voice, share: float) -> Voice:
    """The voice, its emotion vector and spread of pitch moved to another's: 0 keeps its own, 1 takes the other's."""

    def mix(own, other):
        return own if other is None else other if own is None else (1 - share) * own + share * other

    emotion, spread = mix(voice.emotion, style.emotion), mix(voice.pitch_spread, style.pitch_spread)
    return replace(voice, emotion=np.asarray(emotion, np.float32), pitch_spread=spread)
