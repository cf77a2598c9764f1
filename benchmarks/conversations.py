"""Conversations with known turns, mixed from recordings of single speakers.

Sounds and pauses are found by their level alone, so that the reference is not that of the measured system's voice
activity detection, and no turn is cut where the system would look for a change.

Shapes: N samples at ``RATE``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thesis_lib.audio.voice_activity import RATE

FRAME = RATE // 100  # samples of one level
MAX_QUIET_DB = -25.0  # of a frame in a pause, relative to the level that 5 % of the frames exceed
MIN_PAUSE_SECONDS = 0.3  # a shorter one counts as speech, as in NIST's Rich Transcription evaluations
MIN_CUT_SECONDS = 0.12  # of a pause in which a turn may end
MIN_SOUND_SECONDS = 0.1
TURN_SECONDS = (0.8, 3.0)  # a turn ends at the first pause after so long
MIN_TURN_SECONDS = 0.8  # of the last turn of a recording; a shorter rest belongs to the turn before it
GAP_SECONDS = (0.0, 0.8)  # between two turns
OVERLAP_SECONDS = (1.0, 2.0)
MAX_OVERLAP_SHARE = 0.7  # of the shorter of both turns
LEVELS_DB = (-32.0, -22.0)  # RMS of a speaker
NOISE_DB = -65.0


@dataclass(frozen=True)
class Conversation:
    """A mixture, who speaks when, where two speakers speak at once, and the clean speech of each turn."""

    wav: np.ndarray  # (N,)
    turns: tuple[tuple[float, float, int], ...]  # start in s, end in s, speaker
    sounds: tuple[tuple[float, float, int], ...]  # the turns without their pauses
    overlaps: tuple[tuple[float, float], ...]  # start and end in s
    clean: tuple[np.ndarray, ...]  # (N,) of each turn

    @property
    def speakers(self) -> int:
        """How many speak."""
        return 1 + max(speaker for *_, speaker in self.turns)

    def speaker_at(self, start: float, end: float) -> int:
        """Who speaks most between two times in s."""
        spoken = np.zeros(self.speakers)
        for first, last, speaker in self.turns:
            spoken[speaker] += max(0.0, min(end, last) - max(start, first))
        return int(spoken.argmax())

    def clean_without(self, speaker: int, start: float, end: float) -> np.ndarray:
        """Clean speech (N,) of a speaker, without the turns between two times in s; it may be empty."""
        kept = [
            wav
            for wav, (first, last, who) in zip(self.clean, self.turns, strict=True)
            if who == speaker and (last <= start or first >= end)
        ]
        return np.concatenate([np.zeros(0, np.float32), *kept])


def sounds(wav: np.ndarray, pause: float = MIN_PAUSE_SECONDS) -> list[tuple[int, int]]:
    """Start and end, in samples, of the sounds of a recording (N,) between its pauses of ``pause`` s or longer."""
    levels = np.square(wav[: len(wav) // FRAME * FRAME].reshape(-1, FRAME)).mean(1)
    is_loud = levels > 10 ** (MAX_QUIET_DB / 10) * np.percentile(levels, 95)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_loud, [False]]).astype(int)))
    found: list[tuple[int, int]] = []
    for start, end in (edges.reshape(-1, 2) * FRAME).tolist():
        if found and start - found[-1][1] < pause * RATE:
            start = found.pop()[0]
        found.append((start, end))
    return [(start, end) for start, end in found if end - start >= MIN_SOUND_SECONDS * RATE]


def cut_turns(wav: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Cut a recording (N,) into turns, each from the start of a sound to the end of one."""
    turns: list[list[int]] = []
    wanted = 0.0
    for start, end in sounds(wav, MIN_CUT_SECONDS):
        if turns and turns[-1][1] - turns[-1][0] < wanted * RATE:
            turns[-1][1] = end
        else:
            turns.append([start, end])
            wanted = rng.uniform(*TURN_SECONDS)
    if len(turns) > 1 and turns[-1][1] - turns[-1][0] < MIN_TURN_SECONDS * RATE:
        _, end = turns.pop()
        turns[-1][1] = end
    return [wav[start:end] for start, end in turns]


def conversation_of(voices: Sequence[Sequence[np.ndarray]], rng: np.random.Generator, overlap: bool) -> Conversation:
    """Recordings (N,) of each speaker -> a conversation with all their speech; ``overlap``: once, two speak at once."""
    waiting = [_levelled([turn for wav in wavs for turn in cut_turns(wav, rng)], rng) for wavs in voices]
    wav, spoken, clean, overlaps, last = np.zeros(RATE // 2), [], [], [], -1
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
        clean.append(turn)
        last = speaker
    wav = np.concatenate([wav, np.zeros(RATE // 2)])
    wav += 10 ** (NOISE_DB / 20) * rng.normal(size=len(wav))
    spans = [
        (start + first / RATE, start + last / RATE, speaker)
        for (start, _, speaker), turn in zip(spoken, clean, strict=True)
        for first, last in sounds(turn)
    ]
    return Conversation(wav.astype(np.float32), tuple(spoken), tuple(spans), tuple(overlaps), tuple(clean))


def _levelled(turns: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    gain = 10 ** (rng.uniform(*LEVELS_DB) / 20) / np.sqrt(np.square(np.concatenate(turns)).mean())
    return [gain * turn for turn in turns]
