"""The mutation test of the losses."""

from pathlib import Path

import pytest

from benchmarks import mutants
from thesis_lib import reporting

ROOT = Path(__file__).parents[2]


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
