"""The data card of a corpus."""

import pandas as pd

from thesis_lib.corpus.card import splits_table


def test_splits_count_pairs_speakers_and_hours():
    table = pd.DataFrame(
        {
            "split": ["train", "train", "test"],
            "speaker": ["a", "a", "b"],
            "source_duration": [1800.0, 0.0, 3600.0],
            "target_duration": [3600.0, 3600.0, 0.0],
            "source_kind": "translation",
        }
    )
    found = splits_table(table).set_index("split")
    assert found.loc["train"].to_list() == [2, 1, 0.5, 2.0]
    assert found.loc["validation", "pairs"] == 0
    assert found.loc["all"].to_list() == [3, 2, 1.5, 2.0]
