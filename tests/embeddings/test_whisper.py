"""Whisper's encoder."""

import numpy as np
import pytest
import torch

from thesis_lib.embeddings.encoders.whisper import WhisperEncoder
from thesis_lib.pretrained.whisper import Whisper


@pytest.mark.weights("whisper-tiny.en")
def test_whispers_encoder_is_the_recognisers_and_has_a_gradient(two_voices):
    """CTranslate2 computes with 8-bit weights, this with the file's own."""
    wav = next(iter(two_voices.values()))[1]
    encoded = Whisper("whisper-tiny.en").encode(wav, 16_000)
    padded = torch.from_numpy(np.pad(wav, (0, 160_000 - len(wav))))[None].requires_grad_(True)
    found = WhisperEncoder()(padded)
    assert found.mean(2).abs().max() < 1e-4
    ours, theirs = (x - x.mean(0) for x in (found[0].T.detach().numpy()[: len(encoded)], encoded))
    assert (ours * theirs).sum() / np.linalg.norm(ours) / np.linalg.norm(theirs) > 0.998
    found.pow(2).sum().backward()
    assert padded.grad.isfinite().all()
    assert padded.grad[:, : len(wav)].abs().mean() > 0
