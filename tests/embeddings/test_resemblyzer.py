"""Resemblyzer."""

import pytest
from voices import cosines

from thesis_lib.embeddings.encoders.resemblyzer import Resemblyzer


@pytest.mark.weights("resemblyzer")
def test_resemblyzer_tells_voices_apart(two_voices):
    encoder = Resemblyzer()
    same, different = cosines(encoder, two_voices)
    assert same > different
    assert encoder.dim == 256
