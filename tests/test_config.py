import pytest
from hypothesis import given
from hypothesis import strategies as st

from thesis_lib.config import PROFILES, Config, ConfigError, parse_assignment


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_valid_and_survive_json(name):
    config = Config.from_profile(name)
    assert Config.from_json(config.model_dump_json()) == config
    assert config.profile == name


def test_digest_changes_with_any_value():
    config = Config()
    assert config.digest() == Config().digest()
    assert config.digest() != config.override({"training.seed": 1}).digest()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"trainin.steps": 3}, "trainin.steps"),
        ({"training.step": 3}, "training.step"),
        ({"training.steps": "many"}, "training.steps"),
        ({"training.steps": -1}, "training.steps"),
        ({"generator.upsample_rates": (8, 8, 2)}, "hop_length"),
        ({"generator.channels": 20}, "divisible"),
        ({"corpus.min_duration": 11.0}, "min_duration"),
        ({"corpus.name": "librispeech"}, "corpus.name"),
    ],
)
def test_typos_and_contradictions_are_refused(changes, says):
    with pytest.raises(ConfigError, match=says):
        Config().override(changes)


def test_unknown_profile_names_the_known_ones():
    with pytest.raises(ConfigError, match="smoke"):
        Config.from_profile("smok")


def test_unknown_key_in_a_file_is_refused():
    with pytest.raises(ConfigError, match="colour"):
        Config.from_json('{"colour": 3}')
    with pytest.raises(ConfigError, match="not JSON"):
        Config.from_json("{")


def test_assignments():
    assert parse_assignment("training.steps=10") == ("training.steps", 10)
    assert parse_assignment("corpus.root=a/b=c") == ("corpus.root", "a/b=c")
    with pytest.raises(ConfigError):
        parse_assignment("training.steps")


@given(st.floats(1e-6, 1.0))
def test_floats_survive_json(rate):
    config = Config().override({"training.learning_rate": rate})
    assert Config.from_json(config.model_dump_json()).training.learning_rate == rate
