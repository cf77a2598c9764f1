"""The benchmarks run, and their claims are not empty."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import mutants
from benchmarks.__main__ import NAMES
from thesis_lib import reporting

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("mutant", mutants.MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_has_its_place_and_compiles(mutant):
    source = (ROOT / "thesis_lib" / mutant.file).read_text()
    changed = mutants.mutated(source, mutant)
    assert changed != source
    compile(changed, mutant.file, "exec")


def test_there_are_enough_mutants_with_names_of_their_own():
    assert len({mutant.name for mutant in mutants.MUTANTS}) == len(mutants.MUTANTS) >= 20


@pytest.mark.slow
def test_a_mutant_is_caught_and_the_package_as_it_is_passes():
    assert mutants.passes(None)
    assert not mutants.passes(mutants.MUTANTS[0])


def test_the_saved_mutation_score_is_of_todays_list_and_whole():
    saved = reporting.benchmark("mutants")
    assert saved["caught"] == saved["mutants"] == len(mutants.MUTANTS)
    assert saved["survived"] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_benchmark_has_a_saved_result_that_names_what_made_it(name):
    assert reporting.benchmark(name)["made by"]["command"] == f"python -m benchmarks {name}"


def test_help_has_an_example():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert "Example: python -m benchmarks vocoder" in done.stdout
    assert all(name in done.stdout for name in NAMES)
