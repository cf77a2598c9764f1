"""Floor, ceiling and error rate of each speaker encoder on human speech, with intervals.

Needs a folder of human recordings: THESIS_HUMAN names it. Of a speaker with several recordings the first two are
compared. Of a single one the two halves are: they share the microphone and the day, so the ceiling is an upper bound.
"""

import numpy as np

from benchmarks.human import human_recordings
from thesis_lib.audio.files import read_audio
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import embed, evaluation_encoders, speaker_encoder
from thesis_lib.utils.parallel import map_on_cores
from thesis_lib.validation.metrics import separations

RATE = 16_000


def run(quick: bool) -> dict:
    """One row for each encoder and statistic."""
    recordings = dict(list(human_recordings().items())[: 12 if quick else None])
    pairs = [_pair([read_audio(path, RATE)[0] for path in paths[:2]]) for paths in recordings.values()]
    speakers = np.array(list(recordings))
    rows = []
    for encoder in (speaker_encoder(EncoderConfig()), *evaluation_encoders(EncoderConfig())):
        halves = [
            np.stack(list(map_on_cores(lambda pair, e=encoder, h=half: embed(e, pair[h], RATE), pairs)))
            for half in (0, 1)
        ]
        rows += [{"encoder": encoder.name, **row} for row in separations(*halves, speakers, speakers)]
    seconds = [sum(map(len, pair)) / 2 / RATE for pair in pairs]
    return {"speakers": len(speakers), "median_seconds": float(np.median(seconds)), "rows": rows}


def _pair(wavs: list[np.ndarray]) -> list[np.ndarray]:
    """Two recordings, or the two halves of a single one."""
    return wavs if len(wavs) > 1 else np.array_split(wavs[0], 2)
