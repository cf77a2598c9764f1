"""The commands on the pages exist with their options and settings; none of them is run here."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import typer

from thesis_lib.cli import app
from thesis_lib.cli.options import config_of

BOOK = Path(__file__).parents[2] / "book"
PAGES = {
    name: (BOOK / f"{name}.md").read_text(encoding="utf-8")
    for name in ("tutorials", "translate", "deployment", "misuse")
}
TUTORIALS = PAGES["tutorials"]
BLOCK = re.compile(r"^```(.*?)\n(.*?)^```$", re.M | re.S)


def lines_of(page: str) -> list[str]:
    """The lines of a page's code blocks that have a `thesis` command; a line ending in a backslash goes on."""
    blocks = "".join(block for kind, block in BLOCK.findall(page) if not kind).replace("\\\n", " ")
    return [line for line in blocks.splitlines() if re.search(r"(?:^|\| )thesis ", line)]


def arguments_of(line: str) -> list[str]:
    """The words after ``thesis``, up to a pipe or a comment."""
    words = shlex.split(line, comments=True)
    words = words[words.index("thesis") + 1 :]
    return words[: words.index("|")] if "|" in words else words


def parse(words: list[str]) -> str:
    """Parse a command as the command line does, without running it; return the name of its last subcommand."""
    command, name = typer.main.get_command(app), "thesis"
    context = command.make_context(name, list(words))
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return name


COMMANDS = [line for page in PAGES.values() for line in lines_of(page)]
IN_SENTENCES = re.findall(r"`thesis ([^`]+)`", BLOCK.sub("", TUTORIALS))
TRAININGS = [line for line in lines_of(TUTORIALS) if line.startswith("thesis train ") and "--task conversion" in line]


def test_every_tutorial_has_its_commands():
    tutorials = TUTORIALS.split("\n## ")[1:]
    assert len(tutorials) == 4
    assert all(lines_of(tutorial) for tutorial in tutorials)
    assert len(IN_SENTENCES) >= 4


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_has_its_options(line):
    assert parse(arguments_of(line))


@pytest.mark.parametrize("words", IN_SENTENCES)
def test_a_command_in_a_sentence_has_its_options(words):
    name, *rest = words.split()
    if rest or name in ("train", "validate"):
        assert parse(words.split())
    else:
        assert name in typer.main.get_command(app).commands


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("clone a.wav b.wav --adpt 2", "--adpt"),
        ("runs compore a b", "compore"),
        ("adapt a.wav", "run_dir"),
        ("train --device", "--device"),
    ],
)
def test_a_wrong_command_is_found(words, says):
    with pytest.raises(Exception, match=says):
        parse(words.split())


@pytest.mark.parametrize("line", [line for line in COMMANDS if "--set" in line and "plugins=" not in line])
def test_a_command_has_its_settings(line):
    options = list(pairwise(arguments_of(line)))
    profile = next((value for name, value in options if name == "--profile"), "demo")
    assert config_of(profile, [value for name, value in options if name == "--set"])


def test_the_trainings_with_an_own_loss_and_an_own_corpus_are_those_that_run():
    """`tests/test_bring_your_own.py` trains two steps with the settings of these lines."""
    page = (BOOK / "bring_your_own.md").read_text(encoding="utf-8")
    loss, corpus, _ = TRAININGS
    assert loss in lines_of(page)
    assert corpus in lines_of(page)
