"""Numbers of captions: on the page in their captions, in the notebook's file as printed lines; sentences of a cell."""

import re
from pathlib import Path

import nbformat
import pytest
from myst_nb.core.variables import format_plain_text
from myst_nb.ext.glue import extract_glue_data_cell

from thesis_lib import reporting

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
ROLE = re.compile(r"\{glue:text\}`([\w-]+)`")


def captions(notebook: nbformat.NotebookNode) -> list[str]:
    found = (cell.metadata.get("mystnb", {}).get("figure", {}) for cell in notebook.cells)
    return [figure["caption"] for figure in found if figure]


def printed(notebook: nbformat.NotebookNode) -> set[str]:
    """The names of the lines ``name = value`` that a reader of the file sees."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return {output.get("data", {}).get("text/plain", "").split(" = ")[0] for output in outputs}


@pytest.mark.parametrize(
    ("value", "says"), [(18, "18"), ("0.30", "0.30"), ("a 'quoted' \"word\"", "a 'quoted' \"word\"")]
)
def test_a_number_is_in_its_sentence_and_not_printed_on_the_page(value, says, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw, metadata: shown.append((data, metadata)))
    reporting.glue("pairs", value)
    ((data, metadata),) = shown
    assert data["text/plain"] == f"pairs = {says}"
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    cell = nbformat.v4.new_code_cell(outputs=[output])
    ((name, glued),) = extract_glue_data_cell(cell)
    assert name == "pairs"
    assert format_plain_text(glued["data"]["text/plain"], "") == says
    assert cell.outputs == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_number_of_a_caption_is_printed_in_the_notebook(path):
    """On failure: `make outputs`."""
    notebook = nbformat.read(path, 4)
    assert set(ROLE.findall("\n".join(captions(notebook)))) - printed(notebook) == set()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_reader_of_the_file_is_told_what_a_role_stands_for(path):
    (cell,) = (cell for cell in nbformat.read(path, 4).cells[:4] if "On GitHub" in cell.source)
    assert cell.metadata.tags == ["remove-cell"], "no part of the page"
    assert "`numref` for a figure" in cell.source


def test_sentences_of_a_cell_are_markdown(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    reporting.say(f"Of {2} pairs, *both* are kept.")
    (markdown,) = shown
    assert markdown._repr_markdown_() == "Of 2 pairs, *both* are kept."


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_cell_that_shows_sentences_is_shown_by_them_alone(path):
    for cell in nbformat.read(path, 4).cells:
        if cell.cell_type == "code" and "reporting.say(" in cell.source:
            assert {"remove-input", "nbval-ignore-output"} <= set(cell.metadata.get("tags", [])), cell.source
            assert any("text/markdown" in output.get("data", {}) for output in cell.outputs), "`make outputs`"
