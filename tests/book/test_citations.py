"""The book's citations and its table of published systems."""

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "paper" / "paper.md"
PAGES = sorted([PAPER, *(ROOT / "book").glob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")])
SYSTEMS = (
    "FreeVC",
    "kNN-VC",
    "OpenVoice",
    "Seed-VC",
    "Translatotron 2",
    "SeamlessExpressive",
    "Hibiki-Zero",
    "Pocket TTS",
)
WITHOUT_NUMBERS = {"FreeVC", "Translatotron 2"}  # the page says why
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
    return rows_of(page, "table-published")


def rows_of(page: str, name: str) -> list[list[str]]:
    """The cells of each row of the list table with a name, without its heading."""
    (table,) = [
        table for table in re.findall(r"```\{list-table\}(.*?)```\n", page, re.S) if f":name: {name}\n" in table
    ]
    return [re.findall(r"^(?:\* )? *- (.*)$", row, re.M) for row in table.split("\n* ")[2:]]


def name_of(row: list[str]) -> str:
    return re.split(r"[ ,]*(?:\{|,|$)", row[0])[0]


def test_a_published_value_has_its_metric_test_set_and_source():
    rows = published_rows()
    assert set(map(name_of, rows)) == {*SYSTEMS} - WITHOUT_NUMBERS
    for row in rows:
        assert len(row) == 6, row
        _, _, metric, value, test_set, source = row
        assert cited(source), row
        assert metric, row
        assert re.search(r"\d", value), row
        assert "not found" not in " ".join(row)
        assert test_set, row


def test_each_system_has_one_row_of_what_gives_content_voice_and_style():
    rows = rows_of((ROOT / "book" / "background.md").read_text(encoding="utf-8"), "table-systems")
    assert [name_of(row) for row in rows] == [*SYSTEMS, "this project"]
    for row in rows:
        assert len(row) == 4, row
        assert all(re.search("[a-z]{3}", cell) for cell in row), row
        assert "not found" not in " ".join(row)
        assert cited(row[0]) or name_of(row) == "this project"


def test_no_result_of_this_book_is_in_the_table_of_published_systems():
    for row in published_rows():
        assert "glue" not in " ".join(row)
        assert not re.search(r"\bours?\b", " ".join(row).lower())
