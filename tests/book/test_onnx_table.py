"""The table of the ONNX file's inputs and output is that of the files themselves."""

import re
from pathlib import Path

import numpy as np
import pytest

from thesis_lib.utils.onnx_graph import session
from thesis_lib.vocoder.graphs import vocoder_file

PAGE = (Path(__file__).parents[2] / "book" / "deployment.md").read_text(encoding="utf-8")
TYPES = {"float32": "tensor(float)", "float64": "tensor(double)"}
NUMPY = {"tensor(float)": np.float32, "tensor(double)": np.float64}
COLUMNS = ("default", "hifigan-universal")
FRAMES = 40


def printed(column: int) -> dict[str, tuple[str, str]]:
    """Name -> type and shape of one of the two files, as the page has them."""
    (table,) = re.findall(r"^\| name \| type .*?\n\n", PAGE, re.M | re.S)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.strip().splitlines()[2:]]
    return {
        re.findall(r"`(\w+)`", row[0])[0]: (TYPES[row[1]], row[2 + column]) for row in rows if row[2 + column] != "–"
    }


@pytest.mark.parametrize("column", [0, pytest.param(1, marks=pytest.mark.weights("hifigan-universal"))])
def test_the_page_has_the_inputs_and_the_output_of_the_file(column):
    path = vocoder_file(COLUMNS[column])
    assert path is not None
    loaded = session(path, 1)
    found = {x.name: (x.type, f"({', '.join(map(str, x.shape))})") for x in loaded.get_inputs()}
    given = {
        x.name: np.zeros([size if isinstance(size, int) else FRAMES for size in x.shape], NUMPY[x.type])
        for x in loaded.get_inputs()
    }
    (wav,) = loaded.run(["wav"], given)
    assert wav.shape == (1, 256 * FRAMES)
    assert printed(column) == found | {"wav": ("tensor(float)", "(1, 256 · frames)")}
