"""The artefacts of conversion."""

from benchmarks import artefacts
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini


def test_the_artefacts_have_one_bundled_pair_a_test_voice():
    rows = artefacts.voices()
    tests = mini.table(CorpusConfig(name="mini")).query("split == 'test'")
    assert len(rows) == rows.voice.nunique() == tests.voice.nunique() >= 6
    assert set(rows.id) <= set(tests.id)
