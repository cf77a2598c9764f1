"""The short paper: its length, its authors, its sections, and its place in the book."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
_, FRONT, TEXT = (ROOT / "paper" / "paper.md").read_text(encoding="utf-8").split("---\n", 2)
ABOUT = yaml.safe_load(FRONT)
WORDS = range(750, 1751)  # of a paper in the Journal of Open Source Software
SECTIONS = ["Summary", "Statement of need", "State of the field", "Software design", "Results by claims", "Limits"]


def test_its_length_and_sections_are_those_of_the_journal():
    assert len(re.sub(r"\{cite\}`[^`]+`", "", TEXT).split()) in WORDS
    assert re.findall(r"^## (.+)$", TEXT, re.M) == [*SECTIONS, "References"]


def test_title_authors_and_keywords_are_those_of_the_citation():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert ABOUT["title"] == cff["title"]
    assert [author["name"] for author in ABOUT["authors"]] == [author["name"] for author in cff["authors"]]
    assert set(cff["keywords"]) - {"HiFi-GAN"} <= set(ABOUT["tags"])


def test_it_cites_works_of_the_books_list():
    keys = {key for keys in re.findall(r"\{cite\}`([^`]+)`", TEXT) for key in keys.split(",")}
    bibliography = (ROOT / "paper" / ABOUT["bibliography"]).resolve()
    assert len(keys) > 10
    assert keys <= set(re.findall(r"^@\w+\{([^,]+),", bibliography.read_text(encoding="utf-8"), re.M))


def test_the_book_has_it_as_a_page():
    assert "file: paper/paper\n" in (ROOT / "_toc.yml").read_text()
