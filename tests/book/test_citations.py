"""The book's citations and its table of published systems."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "paper" / "paper.md"
PAGES = sorted([PAPER, *(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")])
CITATION = re.compile(r"\{cite\}`([^`]+)`")


def cited(text: str) -> set[str]:
    return {key.strip() for keys in CITATION.findall(text) for key in keys.split(",")}


def test_every_citation_has_one_entry():
    entries = re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M)
    assert [key for key, count in Counter(entries).items() if count > 1] == []
    keys = set().union(*(cited(page.read_text(encoding="utf-8")) for page in PAGES))
    assert {"snover2006ter", "koudounas2026compass", "wellington2025leakage"} <= keys
    assert sorted(keys - set(entries)) == []


def published_rows() -> list[list[str]]:
    """The cells of each system's row in the table of published systems."""
    page = (ROOT / "book" / "background.md").read_text(encoding="utf-8")
    table = re.search(r"```\{list-table\}(.*?)```\n", page, re.S)
    assert table
    rows = [re.findall(r"^(?:\* )? *- (.*)$", row, re.M) for row in table.group(1).split("\n* ")[1:]]
    return rows[1:]  # without the heading


def test_a_published_value_has_its_metric_test_set_and_source():
    rows = published_rows()
    names = {re.split(r"[ ,]*(?:\{|,|$)", row[0])[0] for row in rows}
    assert names == {
        "Seed-VC", "OpenVoice", "kNN-VC", "FreeVC", "SeamlessExpressive", "Hibiki-Zero", "Pocket TTS"
    }  # fmt: skip
    for row in rows:
        assert len(row) == 6, row
        _, _, metric, value, test_set, source = row
        assert cited(source), row
        assert metric, row
        assert re.search(r"\d", value) or value in ("none", "not found"), row
        if re.search(r"\d", value):
            assert test_set != "not found", row


def test_no_result_of_this_book_is_in_the_table_of_published_systems():
    for row in published_rows():
        assert "glue" not in " ".join(row)
        assert not re.search(r"\bours?\b", " ".join(row).lower())
