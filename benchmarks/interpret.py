"""Live interpreting: seconds from the end of a sentence to its first English; and errors of the speaker check.

Bundled Spanish test recordings are fed in real time, a quarter of a second at a time, with pauses between them. The
clock of a sentence runs from its last voiced sample; the pause that ends it is included. The speaker check
is measured on pairs of recordings, of one voice and of two, bundled and human (THESIS_HUMAN).
"""

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.human import has_human_folder, human_recordings
from thesis_lib.audio.files import read_audio
from thesis_lib.audio.voice_activity import RATE, speech_segments
from thesis_lib.cloning import build, dominant
from thesis_lib.cloning.speaker import MIN_OTHERS_SHARE
from thesis_lib.config import CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import speaker_encoder

BLOCK = RATE // 4
PAUSE_SECONDS = 4.0  # between two sentences
SENTENCES = 8


def run(quick: bool) -> dict:
    """Seconds to the first English, real-time factor of what follows, and rates of the speaker check."""
    rows = mini.table(CorpusConfig(name="mini"))
    rows = rows[rows.split == "test"].groupby("voice").head(1).iloc[: 2 if quick else SENTENCES]
    wavs = [read_audio(mini.bundle() / "audio" / f"{id}.es.opus", RATE)[0] for id in rows.id]
    pipeline = build()
    pipeline(wavs[0], RATE)  # the models are warm
    waits, spent = _live(pipeline, wavs)
    return {
        "sentences": len(waits),
        "seconds to the first English": {"median": float(np.median(waits)), "low": min(waits), "high": max(waits)},
        "seconds by stage": spent,
        "speakers": _speakers(2 if quick else 40),
    }


def _live(pipeline, wavs: list[np.ndarray]) -> tuple[list[float], dict[str, float]]:
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
    for spoken in pipeline.live(microphone(), RATE):
        now = time.perf_counter()
        for stage, seconds in spoken.seconds.items():
            spent[stage] = spent.get(stage, 0.0) + seconds
        if spoken.translated.segment is not last:
            last = spoken.translated.segment
            waits.append(now - max(end for end in ends if end < now))
    return waits, spent


def _speakers(count: int) -> list[dict]:
    """Error rates: recordings of one voice taken for two, and of two voices for one."""
    encoder = speaker_encoder(EncoderConfig(speaker="ecapa"))
    rows = mini.table(CorpusConfig(name="mini"))
    groups = {"bundled": [[mini.bundle() / "audio" / f"{i}.es.opus" for i in g.id] for _, g in rows.groupby("voice")]}
    if has_human_folder():
        groups["human"] = list(human_recordings().values())
    found = []
    for name, voices in groups.items():
        wavs = [[read_audio(path, RATE)[0] for path in paths[:2]] for paths in voices[: count + 1]]
        # Of a single recording of a speaker the halves are compared.
        halves = [own if len(own) > 1 else np.array_split(own[0], 2) for own in wavs]
        alone = [_others(own, encoder) for own in halves[:count]]
        together = [_others([a[0], b[0]], encoder) for a, b in zip(wavs, wavs[1:], strict=False)]
        found.append(
            {
                "test_set": name,
                "n": len(alone),
                "one voice called several": float(np.mean(np.array(alone) >= MIN_OTHERS_SHARE)),
                "two voices called one": float(np.mean(np.array(together) < MIN_OTHERS_SHARE)),
            }
        )
    return found


def _others(wavs: list[np.ndarray], encoder) -> float:
    return dominant([s for wav in wavs for s in speech_segments([wav], RATE)], encoder)[1]
