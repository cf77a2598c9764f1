"""Live interpreting: seconds from the end of a sentence to its first English; and errors of the speaker check.

Bundled Spanish test recordings are fed in real time, in the blocks of live translation, with pauses between them. The
clock of a sentence runs from its last voiced sample; the pause that ends it is included. The stage of translation is
without what is computed in that pause: Whisper's encoder and the language.

The speaker check is measured on pairs of recordings, of one voice and of two, bundled and human (THESIS_HUMAN).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.human import has_human_folder, human_recordings
from benchmarks.json_rows import share_columns
from thesis_lib.audio.files import read_audio
from thesis_lib.audio.voice_activity import RATE, speech_segments
from thesis_lib.cloning import build, dominant
from thesis_lib.cloning.live import BLOCK_SECONDS
from thesis_lib.cloning.speaker import MIN_OTHERS_SHARE
from thesis_lib.config import CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import Encoder, speaker_encoder
from thesis_lib.utils.progress import bar
from thesis_lib.validation import Scorer, System, TestSet, evaluate
from thesis_lib.validation.evaluation import Columns

BLOCK = int(BLOCK_SECONDS * RATE)
PAUSE_SECONDS = 4.0  # between two sentences
SENTENCES = 8


def run(quick: bool) -> dict:
    """Seconds to the first English, real-time factor of what follows, and rates of the speaker check."""
    rows = mini.table(CorpusConfig(name="mini"))
    rows = rows[rows.split == "test"].groupby("voice").head(1).iloc[: 2 if quick else SENTENCES]
    wavs = [read_audio(mini.bundle() / "audio" / f"{id}.es.opus", RATE)[0] for id in rows.id]
    pipeline = build()
    pipeline(wavs[0], RATE)  # the models are warm
    waits, spent, notes = _live(pipeline, wavs)
    return {
        "sentences": len(waits),
        "sentences fed": len(wavs),
        "notes of the pipeline": notes,
        "seconds to the first English": {"median": float(np.median(waits)), "low": min(waits), "high": max(waits)},
        "seconds by stage": spent,
        "speakers": _speakers(2 if quick else 40),
    }


def _live(pipeline, wavs: list[np.ndarray]) -> tuple[list[float], dict[str, float], list[str]]:
    """Seconds to the first English of each sentence, those of each stage, and what was left out or is uncertain."""
    ends: list[float] = []  # s on the clock, of each sentence's last loud sample

    def microphone() -> Iterator[np.ndarray]:
        started, given = time.perf_counter(), 0
        for wav in wavs:
            loud = np.flatnonzero(np.abs(wav) > 0.02 * np.abs(wav).max())[-1]
            ends.append(started + (given + loud) / RATE)
            for block in np.split(
                silent := np.concatenate([wav, np.zeros(int(PAUSE_SECONDS * RATE))]), range(BLOCK, len(silent), BLOCK)
            ):
                given += len(block)
                time.sleep(max(0.0, started + given / RATE - time.perf_counter()))
                yield block.astype(np.float32)

    waits, spent, last = [], {}, None
    notes: list[str] = []
    for spoken in pipeline.live(microphone(), RATE, notes.append):
        now = time.perf_counter()
        for stage, seconds in spoken.seconds.items():
            spent[stage] = spent.get(stage, 0.0) + seconds
        if spoken.translated.segment is not last:
            last = spoken.translated.segment
            waits.append(now - max(end for end in ends if end < now))
    return waits, spent, notes


class Voices(NamedTuple):
    """Two recordings, of one voice or of two."""

    names: tuple[str, ...]
    wavs: list[np.ndarray]  # (N,) each

    @property
    def are_two(self) -> bool:
        """Whether they are of two voices."""
        return len(self.names) > 1


def _speakers(count: int) -> dict:
    """Error rates: recordings of one voice taken for two, and of two voices for one.

    Intervals are over pairs; each voice is in two pairs of two voices.
    """
    encoder = speaker_encoder(EncoderConfig(speaker="ecapa"))
    rows = mini.table(CorpusConfig(name="mini"))
    groups = {
        "bundled": {
            voice: [mini.bundle() / "audio" / f"{i}.es.opus" for i in own.id] for voice, own in rows.groupby("voice")
        }
    }
    if has_human_folder():
        groups["human"] = human_recordings()
    found, missing = [], []
    for name, voices in groups.items():
        test_set = TestSet(pairs(voices, count), lambda item: {"voices": " and ".join(item.names)}, name)
        joined: System[Voices, list] = System("joined", lambda item: item.wavs)
        results = evaluate(test_set, [joined], [Scorer(partial(_others, encoder))], bar)
        alone, together = ([row["others"] for row in results.rows if row["two"] is two] for two in (False, True))
        found.append(
            {
                "test_set": name,
                "n": len(alone),
                "one voice called several": share_columns(np.array(alone) >= MIN_OTHERS_SHARE),
                "two voices called one": share_columns(np.array(together) < MIN_OTHERS_SHARE) | {"n": len(together)},
            }
        )
        missing += results.missing
    return {"rates": found, "not measured": missing}


def pairs(voices: Mapping[str, Sequence[Path]], count: int) -> list[Voices]:
    """Pairs of recordings of one voice, and of each voice with the next; of a single recording of one the halves."""
    wavs = {voice: [read_audio(path, RATE)[0] for path in own[:2]] for voice, own in list(voices.items())[: count + 1]}
    one = [Voices((voice,), own if len(own) > 1 else np.array_split(own[0], 2)) for voice, own in wavs.items()]
    two = [Voices((a, b), [wavs[a][0], wavs[b][0]]) for a, b in pairwise(wavs)]
    return one[:count] + two


def _others(encoder: Encoder, item: Voices, wavs: list[np.ndarray]) -> Columns:
    """The share of the speech that the check gives to other speakers than the main one."""
    segments = [segment for wav in wavs for segment in speech_segments([wav], RATE)]
    return {"two": item.are_two, "others": dominant(segments, encoder).others}
