"""eGeMAPS."""

import pytest
from helpers import voiced

from thesis_lib.embeddings.encoders import embed
from thesis_lib.embeddings.encoders.egemaps import Egemaps


def test_egemaps_follows_pitch_and_level():
    encoder = Egemaps()
    names = encoder.feature_names
    pitch = names.index("F0semitoneFrom27.5Hz_sma3nz_amean")
    loudness = names.index("loudness_sma3_amean")
    low, high = (embed(encoder, voiced(2.0, 16_000, f0), 16_000) for f0 in (110, 220))
    assert high[pitch] - low[pitch] == pytest.approx(12, abs=0.7)  # an octave, in semitones
    quiet = embed(encoder, 0.3 * voiced(2.0, 16_000, 110), 16_000)
    assert quiet[loudness] < low[loudness]
    assert len(names) == encoder.dim == 88
