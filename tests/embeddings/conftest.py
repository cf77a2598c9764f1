"""Fixtures of the encoders."""

import numpy as np
import pytest

from thesis_lib.audio.files import read_audio
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini


@pytest.fixture(scope="module")
def two_voices() -> dict[str, list[np.ndarray]]:
    """Two bundled test voices, Spanish and English of each, 16 kHz."""
    rows = mini.table(CorpusConfig(name="mini"))
    chosen = rows[rows.split == "test"].groupby("voice").head(1).iloc[:2]
    folder = mini.bundle() / "audio"
    return {
        r.voice: [read_audio(folder / f"{r.id}.{s}.opus", 16_000)[0] for s in ("es", "en")] for r in chosen.itertuples()
    }
