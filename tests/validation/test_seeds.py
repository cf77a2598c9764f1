"""Differences of variants over seeds, speakers and contents, on values with a known effect."""

import numpy as np
import pytest

from thesis_lib.config import Config
from thesis_lib.validation.seeds import Cells, compare_seeds

SEEDS, SPEAKERS, CONTENTS = 3, 24, 6
SPEAKER = np.repeat(np.arange(SPEAKERS), CONTENTS)
CONTENT = np.tile(np.arange(CONTENTS), SPEAKERS)


def interval_of_no_effect(rng: np.random.Generator, with_contents: bool) -> tuple[float, float]:
    """The interval of a difference that is zero on average; each content has an effect of its own on the variant."""
    effects = rng.normal(0, 0.2, CONTENTS)[CONTENT] + rng.normal(0, 0.05, SPEAKERS)[SPEAKER]
    noise = rng.normal(0, 0.1, (SEEDS, len(CONTENT))) + rng.normal(0, 0.02, (SEEDS, 1))
    cells = [Cells("wer", {"full": np.zeros((SEEDS, len(CONTENT))), "variant": effects + noise})]
    config = Config().override({"validation.resamples": 200})
    contents = CONTENT if with_contents else None
    table, _ = compare_seeds(cells, {"variant": "full"}, SPEAKER, config, contents)
    return table.low[0], table.high[0]


@pytest.mark.parametrize(("with_contents", "least", "most"), [(True, 0.95, 1.0), (False, 0.0, 0.8)])
def test_the_interval_holds_no_effect_where_contents_are_drawn_too(with_contents, least, most):
    rng = np.random.default_rng(0)
    intervals = [interval_of_no_effect(rng, with_contents) for _ in range(40)]
    assert least <= np.mean([low <= 0 <= high for low, high in intervals]) <= most
