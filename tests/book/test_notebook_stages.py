"""Every notebook names the stages that it needs, in their order, before what reads their results."""

import ast
import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
MAX_CELL_LINES = 15
STAGES = ("prepared", "embedded", "analysed", "train", "adapt_speakers")
READS = {  # function -> the last of the stages of which it reads results
    "speaker_vectors": "embedded",
    "leaks": "embedded",
    "gradient_norms": "train",
    "load_trained_vocoder": "train",
    "swap_test": "train",
    "style_swap": "train",
    "validate": "train",
    "speaker_test": "train",
    "compress": "train",
    "clone_report": "train",
    "sample_matrix": "train",
    "adaptation_test": "adapt_speakers",
}


def cells(path: Path) -> list[str]:
    tree = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in tree["cells"] if cell["cell_type"] == "code"]


def calls(path: Path) -> list[str]:
    """The names of the functions that a notebook calls, in the order of its lines."""
    code = "\n".join(line for cell in cells(path) for line in cell.splitlines() if not line.startswith(("%", "!")))
    found = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return [ast.unparse(node.func).split(".")[-1] for node in found]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_names_its_stages_in_order(path):
    called = calls(path)
    places = [called.index(name) for name in STAGES if name in called]
    assert places == sorted(places)
    for reader in READS.keys() & set(called):
        for stage in STAGES[: STAGES.index(READS[reader]) + 1]:
            assert stage in called, f"{reader} reads what {stage} makes"
            assert called.index(stage) < called.index(reader), f"{stage} before {reader}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_cell_is_short(path):
    assert max(len(cell.splitlines()) for cell in cells(path)) <= MAX_CELL_LINES


def test_every_function_that_reads_results_is_in_the_table():
    """The functions of the notebooks that take a run are stages, or read their results."""
    taking = {
        ast.unparse(node.func).split(".")[-1]
        for path in NOTEBOOKS
        for cell in cells(path)
        for node in ast.walk(ast.parse(cell))
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.args[0]) == "run"
    }
    about = {"adaptation_sample", "clone_sample", "sample_path", "sample_paths", "stamp_table"}  # paths and versions
    assert taking - set(STAGES) - READS.keys() == about
