"""Headings of tables are words."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from thesis_lib import reporting
from thesis_lib.reporting.headings import HEADINGS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("mel_l1", "mel L1 (nepers)"),
        ("conversion, normalised similarity, eres2net", "conversion, normalised similarity, ERes2Net"),
        ("ecapa †", "ECAPA †"),
        ("wer, base", "WER (share), base"),
        ("Spanish, h", "Spanish, h"),
        ("a_key", "a key"),
        (3, 3),
    ],
)
def test_a_heading_is_in_words(key, says):
    assert reporting.heading(key) == says
    assert list(reporting.show(pd.DataFrame({key: [1]})).columns) == [says]


def test_a_heading_in_words_stays_as_it_is():
    for words in {reporting.heading(key) for key in HEADINGS}:
        assert reporting.heading(words) == words


def test_no_table_of_a_committed_notebook_has_a_key_for_a_heading():
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in [output for cell in cells for output in cell.get("outputs", [])]:
            page = "".join(output.get("data", {}).get("text/html", ""))
            found += [(path.name, name) for name in re.findall(r"<th [^>]*col_heading[^>]*>(.*?)<", page)]
    assert len(found) > 100
    assert [place for place in found if "_" in place[1]] == []
