"""The recipe of the ablation's grid "released", at its budget."""

import pytest

from thesis_lib.config import Config
from thesis_lib.validation.released import with_human_speech


@pytest.fixture
def released(tmp_path) -> Config:
    """The profile, with empty folders for its corpora."""
    roots = {name: tmp_path / name for name in ("synthetic", "human")}
    for root in roots.values():
        root.mkdir()
    human = [{"name": "speakers", "root": str(roots["human"])}]
    return Config.from_profile("released").override({"corpus.root": str(roots["synthetic"]), "ablation.human": human})


def test_the_human_limit_is_the_limit_of_the_combined_corpus(released):
    limited = released.override({"ablation.human_limit": 12})
    assert with_human_speech(limited).corpus.limit == 12
    assert with_human_speech(released).corpus.limit == 3000


def test_a_limit_of_the_corpus_or_a_list_of_utterances_comes_before_the_human_limit(released):
    limited = released.override({"ablation.human_limit": 12, "corpus.limit": 7})
    assert with_human_speech(limited).corpus.limit == 7
    (member,) = released.ablation.human
    listed = [member.model_dump() | {"utterances": "list.txt"}]
    changes = {"ablation.human_limit": 12, "ablation.human": listed}
    assert with_human_speech(released.override(changes)).corpus.limit is None
