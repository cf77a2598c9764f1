"""The command of the benchmarks: its list, its help, its options."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import speakers
from benchmarks.__main__ import NAMES, PENDING
from benchmarks.__main__ import main as benchmark_command
from thesis_lib import reporting
from thesis_lib.runs.provenance import CHANGED

ROOT = Path(__file__).parents[2]


def test_the_book_lists_every_benchmark():
    page = (ROOT / "book" / "reproduce.md").read_text()
    assert [name for name in NAMES if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("name", sorted(NAMES.keys() - PENDING))
def test_every_benchmark_has_a_saved_result_that_names_what_made_it(name):
    assert reporting.benchmark(name)["made by"]["command"] == f"python -m benchmarks {name}"


def test_a_benchmark_without_a_saved_result_is_pending_until_there_is_one():
    saved = {path.stem for path in (ROOT / "benchmarks" / "results").glob("*.json")}
    assert saved == NAMES.keys() - PENDING


def test_saved_results_are_of_a_clean_commit():
    assert not [name for name in NAMES.keys() - PENDING if CHANGED in reporting.benchmark(name)["made by"]["commit"]]


def test_a_result_of_changed_files_is_not_saved(monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.__main__.commit", lambda: "abc1234+")
    monkeypatch.setattr(speakers, "run", lambda quick, **options: pytest.fail("it ran"))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speakers", "--save"])
    with pytest.raises(SystemExit):
        benchmark_command()
    assert "commit them first" in capsys.readouterr().err


def test_help_has_an_example():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert "Example: python -m benchmarks vocoder" in done.stdout
    assert all(name in done.stdout for name in NAMES)


def test_a_benchmark_gets_its_own_options(monkeypatch, capsys):
    given = {}

    def run(quick, **options):
        given.update(options, quick=quick)
        return {}

    monkeypatch.setattr(speakers, "run", run)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speakers", "--targets", "5"])
    benchmark_command()
    assert given == {"targets": 5, "contents": speakers.OPTIONS["contents"][0], "quick": False}
    assert '"command": "python -m benchmarks speakers --targets 5"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "targets", "contents"),
    [([], 24, 6), (["--quick"], 3, 2), (["--quick", "--targets", "5"], 5, 2), (["--contents", "9"], 24, 9)],
)
def test_quick_changes_only_the_options_that_are_not_given(words, targets, contents, monkeypatch, capsys):
    monkeypatch.setattr(speakers, "run", lambda quick, **options: {"options": options})
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speakers", *words])
    benchmark_command()
    found = json.loads(capsys.readouterr().out)
    assert found["options"] == {"targets": targets, "contents": contents}
    assert found["made by"]["command"] == " ".join(["python -m benchmarks speakers", *words])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--contents", "20"], "--contents 20: give 1 to 9"),
        (["--contents", "-1"], "--contents -1: give 1 to 9"),
        (["--targets", "0"], "--targets 0: give 1 or more"),
    ],
)
def test_an_option_out_of_range_is_refused(words, says, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speakers", *words])
    with pytest.raises(SystemExit):
        benchmark_command()
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("words", [["speakers", "--help"], ["--help", "speakers"]])
def test_the_help_of_a_benchmark_has_its_own_options(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    with pytest.raises(SystemExit):
        benchmark_command()
    out = capsys.readouterr().out
    assert "--targets" in out
    assert "1 to 9 (default 6" in " ".join(out.split())


def test_an_option_that_a_benchmark_has_not_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "calibration", "--targets", "5"])
    with pytest.raises(SystemExit):
        benchmark_command()
    assert "unrecognized arguments: --targets 5" in capsys.readouterr().err


def refused(constant: str) -> float:
    """Refuse NaN and Infinity, which JSON has not."""
    raise ValueError(constant)


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks" / "results").glob("*.json")), ids=lambda path: path.stem)
def test_a_saved_result_is_valid_json(path):
    assert json.loads(path.read_text(encoding="utf-8"), parse_constant=refused)


def test_a_number_that_is_not_finite_is_none_in_a_result(monkeypatch, capsys):
    values = {"value": float("nan"), "rows": [{"a": np.float64("inf")}, {"a": 1.5}], "pair": (np.nan, 2)}
    monkeypatch.setattr(speakers, "run", lambda quick, **options: dict(values))
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speakers"])
    benchmark_command()
    found = json.loads(capsys.readouterr().out, parse_constant=refused)
    assert (found["value"], found["rows"], found["pair"]) == (None, [{"a": None}, {"a": 1.5}], [None, 2])


def test_matrix_products_have_one_thread_as_in_the_commands():
    unset = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")  # OpenBLAS obeys both, and `make test` sets the second
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    code = (
        "import benchmarks.interpret, threadpoolctl\n"
        "print({pool['num_threads'] for pool in threadpoolctl.threadpool_info() if pool['user_api'] == 'blas'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert done.stdout == "{1}\n", done.stderr
