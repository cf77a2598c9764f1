"""Headings of tables are words."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from thesis_lib import reporting
from thesis_lib.reporting.headings import HEADINGS, heading
from thesis_lib.reporting.tables import NAMED

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("mel_l1", "mel L1 (nepers)"),
        ("conversion, normalised similarity, eres2net", "conversion, normalised similarity, ERes2Net"),
        ("ecapa †", "ECAPA †"),
        ("wer, base", "WER (%), base"),
        ("Spanish, h", "Spanish, h"),
        ("resemblyzer_normalised", "normalised similarity, Resemblyzer"),
        ("conversion, target preference, eres2net", "conversion, target-preference rate, ERes2Net"),
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


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("mel_l1", "mel L1 (nepers)"),
        ("wer †", "WER (%) †"),
        ("speaker †", "cosine to the Spanish source, conditioning encoder †"),
        ("normalised_resemblyzer", "normalised similarity (%), Resemblyzer"),
        ("style_auc", "style AUC"),
        ("follows_f0_median", "source–output correlation of F0 median (semitones re 100 Hz)"),
    ],
)
def test_a_metric_is_named_in_words_with_its_encoder(key, says):
    table = reporting.show(pd.DataFrame({"metric": [key], "encoder": ["ecapa †"], "system": ["ref_voicetransfer"]}))
    assert table.data.to_dict("records") == [
        {"metric": says, "encoder": "ECAPA †", "system": "published, the speaker's voice transferred"}
    ]


def tables() -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """(notebook, headings, rows of cells) of every table of the committed notebooks."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in [output for cell in cells for output in cell.get("outputs", [])]:
            page = "".join(output.get("data", {}).get("text/html", ""))
            if names := re.findall(r"<th [^>]*col_heading[^>]*>(.*?)<", page):
                rows = re.findall(r"<tr>(.*?)</tr>", page.split("<tbody>")[1], re.S)
                yield path.name, names, [re.findall(r"<td [^>]*>(.*?)</td>", row, re.S) for row in rows]


def test_no_table_of_a_committed_notebook_has_a_key_for_a_heading():
    found = [(notebook, name) for notebook, names, _ in tables() for name in names]
    assert len(found) > 100
    assert [place for place in found if "_" in place[1]] == []


def test_no_row_of_a_committed_notebook_is_named_by_a_key():
    keys = {heading(column): column for column in NAMED}
    found = [
        (notebook, cell)
        for notebook, names, rows in tables()
        for row in rows
        for name, cell in zip(names, row, strict=True)
        if name in keys
    ]
    assert len(found) > 100
    assert [place for place in found if "_" in place[1] or heading(place[1]) != place[1]] == []


def test_one_thing_has_one_heading():
    names = {name for _, names, _ in tables() for name in names}
    words = {"mel L1": {"mel L1 (nepers)"}, "DNSMOS": {"DNSMOS P.835 overall"}, "PESQ": {"PESQ-wb (MOS-LQO)"}}
    for start, heads in words.items():
        assert {name.split(", ")[0] for name in names if name.startswith(start)} <= heads | {start}, start
    assert {name for name in names if "WER" in name and "(%)" not in name} == set()
    assert {name for name in names if "target preference" in name} == set()
