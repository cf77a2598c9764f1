"""Conversations with known turns, mixed from recordings of single speakers.

Shapes: N samples at ``RATE``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thesis_lib.audio.voice_activity import RATE, speech_segments
from thesis_lib.cloning.diarisation import quietest
from thesis_lib.cloning.speaker_windows import FRAME

TURN_SECONDS = (1.2, 4.0)
MIN_TURN_SECONDS = 0.8
GAP_SECONDS = (0.0, 0.8)  # between two turns
OVERLAP_SECONDS = (1.0, 2.0)
MAX_OVERLAP_SHARE = 0.7  # of the shorter of both turns
LEVELS_DB = (-32.0, -22.0)  # RMS of a speaker
NOISE_DB = -65.0


@dataclass(frozen=True)
class Conversation:
    """A mixture, its turns, where two speakers speak at once, and the clean speech of each speaker."""

    wav: np.ndarray  # (N,)
    turns: tuple[tuple[float, float, int], ...]  # start in s, end in s, speaker
    overlaps: tuple[tuple[float, float], ...]  # start and end in s
    clean: tuple[np.ndarray, ...]  # (N,) of each speaker

    @property
    def speakers(self) -> int:
        """How many speak."""
        return len(self.clean)

    def speaker_at(self, start: float, end: float) -> int:
        """Who speaks most between two times in s."""
        spoken = np.zeros(self.speakers)
        for first, last, speaker in self.turns:
            spoken[speaker] += max(0.0, min(end, last) - max(start, first))
        return int(spoken.argmax())


def cut(wav: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Cut the speech of a recording (N,) into turns, each at a quiet place."""
    rest, turns = np.concatenate([segment.wav for segment in speech_segments([wav], RATE)]), []
    while len(rest) >= MIN_TURN_SECONDS * RATE:
        levels = np.square(rest[: len(rest) // FRAME * FRAME].reshape(-1, FRAME)).mean(1)
        place = int(quietest(levels, rng.uniform(*TURN_SECONDS)) * RATE)
        if place > len(rest) - MIN_TURN_SECONDS * RATE:
            place = len(rest)
        turns.append(rest[:place])
        rest = rest[place:]
    return turns


def mixed(voices: Sequence[Sequence[np.ndarray]], rng: np.random.Generator, overlap: bool) -> Conversation:
    """Recordings (N,) of each speaker -> a conversation with all their speech; ``overlap``: once, two speak at once."""
    waiting = [_levelled([turn for wav in wavs for turn in cut(wav, rng)], rng) for wavs in voices]
    clean = tuple(np.concatenate(turns) for turns in waiting)
    wav, spoken, overlaps, last = np.zeros(RATE // 2), [], [], -1
    overlapped = int(rng.integers(1, sum(map(len, waiting)) - 1)) if overlap else -1
    while any(waiting):
        others = [speaker for speaker, turns in enumerate(waiting) if turns and speaker != last]
        most = max((len(waiting[speaker]) for speaker in others), default=0)
        choices = [speaker for speaker in others if len(waiting[speaker]) >= most - 1] or [last]
        speaker = int(rng.choice(choices))
        turn = waiting[speaker].pop(0)
        shared = 0
        if len(spoken) == overlapped and speaker != last:
            before = round((spoken[-1][1] - spoken[-1][0]) * RATE)
            shared = int(min(rng.uniform(*OVERLAP_SECONDS) * RATE, MAX_OVERLAP_SHARE * min(len(turn), before)))
            overlaps.append(((len(wav) - shared) / RATE, len(wav) / RATE))
        elif spoken:
            wav = np.concatenate([wav, np.zeros(int(rng.uniform(*GAP_SECONDS) * RATE))])
        start = len(wav) - shared
        wav = np.concatenate([wav, np.zeros(len(turn) - shared)])
        wav[start:] += turn
        spoken.append((start / RATE, len(wav) / RATE, speaker))
        last = speaker
    wav = np.concatenate([wav, np.zeros(RATE // 2)])
    wav += 10 ** (NOISE_DB / 20) * rng.normal(size=len(wav))
    return Conversation(wav.astype(np.float32), tuple(spoken), tuple(overlaps), clean)


def _levelled(turns: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    gain = 10 ** (rng.uniform(*LEVELS_DB) / 20) / np.sqrt(np.square(np.concatenate(turns)).mean())
    return [gain * turn for turn in turns]
