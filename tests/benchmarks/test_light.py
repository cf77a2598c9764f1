"""The benchmark of cloning without torch."""

import numpy as np

from benchmarks.light import networks


def test_each_network_is_compared_with_its_original_in_torch():
    wav = 0.1 * np.random.default_rng(0).normal(size=22_050).astype(np.float32)
    found = networks(wav, 22_050, rounds=1)
    assert set(found) == {"ECAPA-TDNN", "released vocoder", "watermark"}
    for row in found.values():
        assert row["largest difference"] <= 1e-4 * row["largest value"]
