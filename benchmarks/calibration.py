"""Floor, ceiling and error rate of each speaker encoder on human speech, with intervals.

Needs a folder of human recordings, one speaker a file: THESIS_HUMAN names it. The two halves of a recording stand for
two recordings of one speaker. They share the microphone and the day, so the ceiling is an upper bound.
"""

import os
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import read_audio
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import embed, evaluation_encoders, speaker_encoder
from thesis_lib.utils.parallel import a_core_each
from thesis_lib.validation.metrics import separations

RATE = 16_000


def run(quick: bool) -> dict:
    """One row an encoder and statistic."""
    folder = os.environ.get("THESIS_HUMAN")
    if not folder:
        raise SystemExit("THESIS_HUMAN must name a folder of human recordings, one speaker a file")
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix in (".flac", ".wav"))[: 12 if quick else None]
    wavs = [read_audio(path, RATE)[0] for path in paths]
    speakers = np.array([path.stem for path in paths])
    rows = []
    for encoder in (speaker_encoder(EncoderConfig()), *evaluation_encoders(EncoderConfig())):
        halves = [
            np.stack(list(a_core_each(lambda wav, e=encoder, h=half: embed(e, np.array_split(wav, 2)[h], RATE), wavs)))
            for half in (0, 1)
        ]
        rows += [{"encoder": encoder.name, **row} for row in separations(*halves, speakers, speakers)]
    seconds = [len(wav) / 2 / RATE for wav in wavs]
    return {"speakers": len(speakers), "median_seconds": float(np.median(seconds)), "rows": rows}
