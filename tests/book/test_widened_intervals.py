"""A result that is older than the expanded intervals: by which factor its intervals were widened afterwards."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm, t

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


def test_the_factor_is_that_of_todays_intervals():
    """A new result has no factor: then this test, and the sentence in limitations.md, go."""
    saved = json.loads((RESULTS / "compress.json").read_text(encoding="utf-8"))
    factors = saved["made by"]["intervals"]
    assert set(factors) == {f"{saved[key]} {key}" for key in ("seeds", "utterances") if key in saved}
    for groups, factor in factors.items():
        n = int(groups.split()[0])
        assert factor == pytest.approx(t.ppf(0.975, n - 1) / norm.ppf(0.975) * np.sqrt(n / (n - 1)))
