"""The table of figures: each notebook's own figures, and benchmarks that exist."""

import re
from pathlib import Path

from benchmarks.__main__ import NAMES

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| \[[\w ]+\]\(\.\./(notebooks/\w+\.ipynb)\) \| (.*) \|$", (ROOT / "book/reproduce.md").read_text(), re.M
)


def test_every_figure_of_a_notebook_is_in_the_table():
    figures = {path: re.findall(r"numref}`(fig-[a-z-]+)`", cells) for path, cells in ROWS}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        own = set(re.findall(r'"name": "(fig-[a-z-]+)"', path.read_text()))
        named = figures.get(path.relative_to(ROOT).as_posix(), [])
        assert sorted(named) == sorted(own), path.name


def test_the_benchmarks_of_the_table_exist():
    named = {name for _, cells in ROWS for name in re.findall(r"python -m benchmarks (\w+)", cells)}
    assert named
    assert named <= NAMES.keys()
