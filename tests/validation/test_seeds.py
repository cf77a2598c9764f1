"""Differences of variants over seeds, speakers and contents, on values with a known effect."""

import numpy as np
import pytest

from thesis_lib.config import Config
from thesis_lib.validation.seeds import Cells, compare_seeds

SPEAKERS = 24


def interval_of_no_effect(
    rng: np.random.Generator, with_contents: bool, seeds: int = 3, contents: int = 6
) -> tuple[float, float]:
    """The interval of a difference that is zero on average; each content has an effect of its own on the variant."""
    speaker, content = np.repeat(np.arange(SPEAKERS), contents), np.tile(np.arange(contents), SPEAKERS)
    effects = rng.normal(0, 0.2, contents)[content] + rng.normal(0, 0.05, SPEAKERS)[speaker]
    noise = rng.normal(0, 0.1, (seeds, len(content))) + rng.normal(0, 0.02, (seeds, 1))
    cells = [Cells("wer", {"full": np.zeros((seeds, len(content))), "variant": effects + noise})]
    config = Config().override({"validation.resamples": 200})
    table, _ = compare_seeds(cells, {"variant": "full"}, speaker, config, content if with_contents else None)
    return table.low[0], table.high[0]


@pytest.mark.parametrize(("with_contents", "least", "most"), [(True, 0.95, 1.0), (False, 0.0, 0.8)])
def test_the_interval_holds_no_effect_where_contents_are_drawn_too(with_contents, least, most):
    rng = np.random.default_rng(0)
    intervals = [interval_of_no_effect(rng, with_contents) for _ in range(40)]
    assert least <= np.mean([low <= 0 <= high for low, high in intervals]) <= most


def test_the_interval_is_as_wide_as_that_of_students_t_where_groups_are_many():
    """Not wider than it must be: with three seeds the factor for few groups hides that."""
    rng, seeds, contents = np.random.default_rng(0), 12, 12
    intervals = [interval_of_no_effect(rng, True, seeds, contents) for _ in range(25)]
    error = np.sqrt(0.2**2 / contents + 0.05**2 / SPEAKERS + 0.02**2 / seeds + 0.1**2 / (seeds * contents * SPEAKERS))
    half = 2.201 * error  # t of 11 degrees of freedom
    assert np.mean([high - low for low, high in intervals]) / 2 == pytest.approx(half, rel=0.2)
