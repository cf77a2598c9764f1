"""Every measured number in the prose of a notebook belongs to a claim; a number of the run is shown by a cell."""

import re
from pathlib import Path

import pytest
from helpers import notebook_prose

from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.reporting.claims import SavedResults, load_claims

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("0*.ipynb"))
CLAIMS = load_claims(ROOT / "book" / "claims.toml")
RESULTS = SavedResults(ROOT / "benchmarks" / "results")
MEASURED = re.compile(r"[-+]?\d+\.\d+|\d+ %|\[-?[\d.]+, -?[\d.]+\]|\bn = \d+")
NO_PROSE = re.compile(r"\{[^}]+\}`[^`]*`|\$[^$]*\$|`[^`]*`|(?<=\])\([^)]*\)")
# Definitions, thresholds and levels of chance: no results.
DEFINED = {"22.05", "0.5", "0.9", "5 %", "1 %", "50 %", "95 %"}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_every_measured_number_of_the_prose_belongs_to_a_claim(name):
    """A number of the run changes with the profile: ``reporting.say`` shows it."""
    prose = notebook_prose(name)
    for claim in CLAIMS:
        for phrase in claim.phrases.get(f"notebooks/{name}", ()):
            prose = prose.replace(RESULTS.filled(claim, phrase) if claim.result else phrase, " ")
    assert set(MEASURED.findall(NO_PROSE.sub("", prose))) - DEFINED == set()


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_sentence_of_the_file_lacks_its_number(name):
    """GitHub and Jupyter do not replace the book's roles for numbers."""
    assert "{glue:" not in notebook_prose(name)


def test_the_answer_of_the_corpus_has_the_numbers_of_the_bundle():
    bundle = mini.table(CorpusConfig())
    answer = f"the bundled corpus has {len(bundle)} pairs in {bundle.voice.nunique()} synthetic voices"
    assert answer in notebook_prose("01_corpus.ipynb")
    mixtures = sum("+" in voice for voice in bundle.voice.unique())
    voices = (
        f"{bundle.voice.nunique() - mixtures} published voices of one text-to-speech model, {mixtures} mixtures of two"
    )
    assert voices in notebook_prose("08_results.ipynb")
