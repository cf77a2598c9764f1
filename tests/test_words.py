"""The check of retired words finds a planted one, with its line, and skips code, addresses and citations."""

import json
from pathlib import Path

import pytest
from helpers import load_script

ROOT = Path(__file__).parents[1]
words = load_script("check_words")


def planted(tmp_path, name: str, text: str) -> list[str]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return [line.removeprefix(f"{path}:") for line in words.check(path)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("The manner of the source.", "1: manner -> speaking style"),
        ("By one\njudge of three.", "2: judge -> evaluation encoder, held-out speaker encoder"),
        ("A voice at first\nhearing.", "1: at first hearing -> zero-shot"),
        ("The way from floor to ceiling.", "1: from floor to ceiling -> normalised similarity"),
        ("In nobody's voice.", "1: nobody's -> mean speaker, unconditional"),
        ("The vocoder does not listen.", "1: vocoder does not listen -> uses the speaker embedding"),
        ("A taught student.", "1: taught -> distilled"),
        ("The package's own weights.", "1: package's own -> released (weights), bundled (corpus)"),
        ("What a loss is Worth.", "1: Worth -> ablation, contribution of"),
        ("Each passage is rendered.", "1: passage -> synthesised segment"),
        ("The lent voices.", "1: lent -> sampled target speaker, speaker sampling"),
        ("The voice of nobody.", "1: nobody -> mean speaker, unconditional"),
        ("A swapped-in voice.", "1: swapped-in -> target speaker, target voice"),
        ("The reach before a frame.", "1: reach before -> left context"),
        ("Speakers of the test part.", "1: test part -> split"),
        ("The loss of a well-known toolkit.", "1: well-known toolkit -> its name, with a citation"),
        (
            "It has 54 voices of one text-to-speech model.",
            "1: 54 voices of one text-to-speech model -> the number of voices in the bundled corpus, from its table",
        ),
        ("A stage whose\ninputs have changed.", "1: whose -> with …, of which …"),
    ],
)
def test_a_planted_word_is_found_with_its_line(tmp_path, text, says):
    assert planted(tmp_path, "page.md", text) == [says]


@pytest.mark.parametrize(
    "text",
    [
        "The column `judge` is now `encoder`; ``passage`` too.",
        "```python\njudge = passages[0]  # manner\n```",
        "Zheng et al. {cite}`zheng2023judge`, and [their page](https://example.org/manner/judge).",
        "See https://example.org/the-passage.",
        "$$ worth = 1 $$",
        "<!-- manner -->",
        "<audio src='passage.mp3'></audio>",
        "Listeners judge the naturalness; raters are asked to judge the voice.",
        "Somebody listens to the samples; the rendered speech is valuable.",
        "A trustworthy, misjudged part; the parts of the network.",
    ],
)
def test_code_addresses_and_people_are_skipped(tmp_path, text):
    assert planted(tmp_path, "page.md", text) == []


def test_the_words_after_a_code_block_are_read(tmp_path):
    text = "```\nmanner\n```\n\nA manner.\n\n```{figure} a.svg\nA judge in a caption.\n```\n"
    assert [line.split(":")[0] for line in planted(tmp_path, "page.md", text)] == ["5", "8"]


def test_docstrings_comments_errors_and_help_are_prose_and_names_are_not(tmp_path):
    text = (
        '"""The manner of a module."""\n'
        "manner = {'judge': 1}\n"
        "x = manner  # a judge's manner, and `manner`\n"
        "def f(passage=typer.Option(help='A passage.')):\n"
        "    '''One that listens.'''\n"
        "    raise ValueError(f'{manner} is lent'\n"
        "                     ' to nobody')\n"
    )
    found = [
        (int(line.split(":")[0]), line.split(": ")[1].split(" -> ")[0]) for line in planted(tmp_path, "a.py", text)
    ]
    assert found == [
        (1, "manner"),
        (3, "judge"),
        (3, "manner"),
        (4, "passage"),
        (5, "that listens"),
        (6, "lent"),
        (7, "nobody"),
    ]


def test_markdown_cells_are_prose_and_code_cells_are_not(tmp_path):
    cells = [
        {"cell_type": "code", "source": ["manner = 1\n", "judge = 2"]},
        {"cell_type": "markdown", "source": ["A vocoder.\n", "Its manner, ñ."]},
    ]
    text = json.dumps({"cells": cells}, indent=1, ensure_ascii=False)
    (found,) = planted(tmp_path, "a.ipynb", text)
    line = 1 + next(i for i, row in enumerate(text.splitlines()) if "Its manner" in row)
    assert found == f"{line}: manner -> speaking style"


def test_the_sentences_that_a_cell_shows_are_prose(tmp_path):
    source = ["judge = 2\n", "reporting.say(\n", "    f'The manner of {judge}.'\n", ")"]
    text = json.dumps({"cells": [{"cell_type": "code", "source": source}]}, indent=1)
    (found,) = planted(tmp_path, "a.ipynb", text)
    line = 1 + next(i for i, row in enumerate(text.splitlines()) if "The manner" in row)
    assert found == f"{line}: manner -> speaking style"


def test_only_the_newest_section_of_the_changelog_is_read(tmp_path):
    text = "# Changelog\n\n## Unreleased\n\n- A manner.\n\n## 0.1.0\n\n- A judge.\n"
    assert planted(tmp_path, "CHANGELOG.md", text) == ["5: manner -> speaking style"]


def test_the_exit_status_says_whether_a_word_was_found(tmp_path, capsys):
    (tmp_path / "bad.md").write_text("A manner.")
    (tmp_path / "good.md").write_text("A speaking style.")
    assert words.main([str(tmp_path / "good.md")]) == 0
    assert words.main([str(tmp_path / "good.md"), str(tmp_path / "bad.md")]) == 1
    assert "bad.md:1: manner -> speaking style" in capsys.readouterr().out


def test_all_prose_is_looked_at():
    names = {path.relative_to(ROOT).parts[0] for path in words.files()}
    folders = {"book", "paper", "notebooks", "thesis_lib", "benchmarks", "scripts"}
    assert names == {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", *folders}
    looked_at = set(words.files())
    assert set((ROOT / "thesis_lib" / "data").rglob("*.md")) <= looked_at
    assert {*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "scripts").glob("*.py")} <= looked_at


def test_make_test_runs_it_after_ruff():
    steps = (ROOT / "Makefile").read_text().split("\ntest:")[1].split("\n\n")[0].splitlines()
    assert steps[steps.index("\t$(BIN)/ruff check .") + 1] == "\t$(BIN)/python scripts/check_words.py"
