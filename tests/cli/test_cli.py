"""The command line: bad input is one line with the name and the remedy, exit status 2, earlier results untouched."""

import itertools
import json
import shlex
from pathlib import Path

import pytest
from commands import thesis
from typer.testing import CliRunner

from thesis_lib import cli
from thesis_lib.cli.options import config_of

COMMANDS = [
    "config",
    "download",
    "prepare",
    "embed",
    "analyse",
    "train",
    "validate",
    "ablate",
    "compress",
    "export",
    "stream",
    "clone",
    "clone-report",
    "detect",
    "adapt",
    "serve",
    "book",
]


def test_the_help_says_what_the_program_does():
    said = " ".join(CliRunner().invoke(cli.app, ["--help"], env={"COLUMNS": "200"}).output.split())
    assert "Translate Spanish speech into English speech in a similar voice; train and evaluate the vocoders." in said


@pytest.mark.parametrize("command", ["validate", "clone-report"])
def test_the_help_says_what_is_in_a_folder_of_pairs(command):
    said = " ".join(CliRunner().invoke(cli.app, [command, "--help"], env={"COLUMNS": "300"}).output.split())
    assert "Folder with human Spanish (GROUP_es_src/) and published English (GROUP_en_SYSTEM/)." in said


@pytest.mark.parametrize(
    "command",
    [
        *([c] for c in COMMANDS),
        *(["models", c] for c in ("list", "fetch", "verify")),
        *(["manifest", c] for c in ("show", "stats", "verify", "leak")),
        ["weights", "reproduce"],
    ],
)
def test_every_help_shows_an_example(command):
    result = CliRunner().invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    assert f"Example: thesis {' '.join(command)}" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "--profile", "dmo"], "known: thesis, demo, released, human, smoke"),
        (["train", "--profile", "smoke", "--set", "resynthesis.training.stepz=3"], "resynthesis.training.stepz"),
        (["train", "--profile", "smoke", "--set", "resynthesis.training.steps"], "section.key=value"),
        (["train", "--profile", "smoke", "--set", "resynthesis.training.steps=-2"], "resynthesis.training.steps"),
        (["config", "--set", "resynthesis.generator.upsample_rates=[2,2]"], "hop_length"),
        (["train", "--task", "cloning", "--profile", "smoke"], "resynthesis, conversion"),
        (["swap-test", "--profile", "smoke", "--set", "swap.trials=1"], "swap.trials"),
        (["models", "fetch", "ecappa"], "known: ecapa"),
        (["book", "--profile", "smoke"], "inside the project's folder"),
        (["prepare", "--profile", "thesis"], "corpus.root"),
        (["prepare", "--profile", "smoke", "--set", "corpus.format=mp3"], "corpus.format"),
        (["manifest", "stats", "--run-dir", "nowhere"], "manifest.json is missing"),
        (["download", "corpus"], "--common-voice"),
        (["adapt", "nowhere.wav", "--run-dir", "me"], "nowhere.wav: missing file"),
        (["clone", "a.wav", "b.wav", "--text", "hi", "--content", "c.wav"], "give one of them"),
        (["clone", "a.wav", "b.wav", "--emotion-mix", "0.5"], "--emotion-from"),
        (["weights", "reproduce"], "clone it"),
        (["prepare", "--profile", "thesis", "--set", "corpus.root=nowhere"], "train.tsv is missing"),
    ],
)
def test_wrong_arguments_are_one_line_of_error(arguments, says, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _, err = thesis(monkeypatch, capsys, *arguments)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1, err


EXAMPLES = [
    line.split("Example: ")[1]
    for path in sorted(Path(cli.__file__).parent.glob("*.py"))
    for line in path.read_text().splitlines()
    if "Example: thesis" in line
]


@pytest.mark.parametrize("example", [line for line in EXAMPLES if "--set" in line])
def test_the_settings_in_the_examples_exist(example):
    words = shlex.split(example)
    options = list(itertools.pairwise(words))
    profile = next((value for name, value in options if name == "--profile"), "demo")
    changes = [value for name, value in options if name == "--set"]
    assert config_of(profile, changes)


def test_config_prints_what_it_will_do(monkeypatch, capsys):
    code, out, _ = thesis(monkeypatch, capsys, "config", "--profile", "smoke", "--set", "resynthesis.training.steps=7")
    assert code == 0
    assert json.loads(out)["resynthesis"]["training"]["steps"] == 7


def test_another_configuration_leaves_a_run_untouched(monkeypatch, capsys, tiny_run):
    before = {p: p.stat().st_mtime_ns for p in tiny_run.path.rglob("*") if p.is_file()}
    code, _, err = thesis(monkeypatch, capsys, "train", "--profile", "smoke", "--run-dir", str(tiny_run.path))
    assert code == 2
    assert "another configuration" in err
    assert before == {p: p.stat().st_mtime_ns for p in tiny_run.path.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("options", "called"),
    [
        ("", ["run_notebooks", "build_book"]),
        ("--html", ["run_notebooks", "build_book"]),
        ("--no-html", ["run_notebooks"]),
        ("--pdf", ["run_notebooks", "build_book", "print_pdf"]),
        ("--no-html --pdf", ["run_notebooks", "print_pdf"]),
        ("--check", ["check"]),
        ("--no-check --no-html", ["run_notebooks"]),
    ],
)
def test_the_options_of_book_choose_what_is_built(options, called, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    calls, runs = [], []

    def recorded(name, returned):
        def call(*given):
            calls.append(name)
            runs.extend(given[:1])
            return returned

        return call

    returned = {"run_notebooks": None, "build_book": "index.html", "print_pdf": "book.pdf", "check": ["clones: stale"]}
    for name, value in returned.items():
        monkeypatch.setattr(f"thesis_lib.reporting.book.{name}", recorded(name, value))
    command = ["book", "--profile", "smoke", "--run-dir", "mine", *options.split()]
    done = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert calls == called
    assert [(run.path, run.config.profile) for run in runs] == [(tmp_path / "mine", "smoke")]
    assert done.exit_code == (1 if "check" in called else 0)
    assert ("book: index.html" in done.output) == ("build_book" in called)
    assert ("book as PDF: book.pdf" in done.output) == ("print_pdf" in called)
    assert ("clones: stale" in done.output) == ("check" in called)
