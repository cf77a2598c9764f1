"""The figure of the first page is drawn from the saved result."""

import json
from pathlib import Path

import pytest
from helpers import load_script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def figure():
    return load_script("first_page_figure")


def test_the_figure_is_of_the_saved_result(figure):
    """On failure: python scripts/first_page_figure.py."""
    drawn = figure.drawing(json.loads(figure.RESULT.read_text(encoding="utf-8")))
    assert figure.FIGURE.read_text(encoding="utf-8") == drawn


def test_another_result_gives_another_figure(figure):
    result = json.loads(figure.RESULT.read_text(encoding="utf-8"))
    before = figure.drawing(result)
    for row in result["rows"]:
        if row["system"] == "released weights" and figure._is_of(row, "identified"):
            row["value"] = row["low"]
    assert figure.drawing(result) != before


@pytest.mark.parametrize("page", ["README.md", "book/index.md"])
def test_the_first_pages_show_it(page):
    assert "assets/speaker_test.svg" in (ROOT / page).read_text(encoding="utf-8")
