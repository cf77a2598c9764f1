"""A chapter, its package and its commands have one name: the README's table and the notebooks' openings."""

import re
from pathlib import Path

import nbformat
import pytest
import typer

from thesis_lib.cli import app

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHAPTER_ROW = re.compile(r"^\| \[(\d\d) (.+)\]\(notebooks/(.+)\) \| (.+) \| (.+) \|$", re.MULTILINE)
CHAPTERS = CHAPTER_ROW.findall((ROOT / "README.md").read_text())


def test_the_readme_has_every_chapter():
    assert [name for _, _, name, _, _ in CHAPTERS] == [path.name for path in NOTEBOOKS]


@pytest.mark.parametrize(("number", "subject", "name", "packages", "commands"), CHAPTERS)
def test_a_chapter_its_package_and_its_commands_have_one_name(number, subject, name, packages, commands):
    """The heading of the chapter and its row in the README have the name of its first package, which exists."""
    opening = nbformat.read(ROOT / "notebooks" / name, 4).cells[0].source
    folders = re.findall(r"`thesis_lib/(\w+)`", packages)
    assert name.startswith(number)
    assert subject == folders[0]
    assert subject in opening.splitlines()[0].lower()
    assert all((ROOT / "thesis_lib" / folder / "__init__.py").exists() for folder in folders)
    code = re.search(r"\*\*Code\.\*\* (.+)", opening).group(1)
    assert re.findall(r"`thesis_lib\.(\w+)`", code) == folders
    assert code.endswith(f" {commands}.")
    verbs = commands.replace("`", "").removeprefix("thesis ").split(", ")
    assert set(verbs) <= set(typer.main.get_command(app).commands)
