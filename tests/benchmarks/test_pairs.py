"""The benchmark of published pairs: our conversion beside the English that it converts."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.pairs import differences_to_canonical
from thesis_lib.validation.pairs import ABOUT, CANONICAL, OUR_SYSTEMS


def test_our_conversion_is_compared_with_its_english_on_the_same_recordings():
    similarity = {CANONICAL: 0.4, OUR_SYSTEMS[0]: 0.5, OUR_SYSTEMS[1]: 0.3, "another": 0.9}
    rows = [("with", f"r{i}", system, value + 0.1 * i) for system, value in similarity.items() for i in range(6)]
    rows += [("without", f"r{i}", "another", 0.5) for i in range(6)]
    table = pd.DataFrame(rows, columns=[*ABOUT, "resemblyzer"])
    table.loc[(table.system == OUR_SYSTEMS[0]) & (table.id == "r5"), "resemblyzer"] = np.nan
    first, second = differences_to_canonical(table)
    assert {first["group"], second["group"]} == {"with"}, "the other group has no canonical English"
    assert [first["system"], second["system"]] == list(OUR_SYSTEMS)
    for row, difference, n in ((first, 0.1, 5), (second, -0.1, 6)):
        assert (row["against"], row["metric"], row["n"]) == (CANONICAL, "resemblyzer", n)
        # The recordings differ by more than the systems: the difference is paired.
        assert [row["difference"], row["low"], row["high"]] == pytest.approx([difference] * 3)
