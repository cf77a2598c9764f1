import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thesis_lib.config import (
    PROFILES,
    TASKS,
    AblationConfig,
    CloningConfig,
    Config,
    ConfigError,
    CorpusConfig,
    DiscriminatorConfig,
    LossConfig,
    TrainingConfig,
    ValidationConfig,
    digest,
    parse_assignment,
)


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_are_valid_and_survive_json(name):
    config = Config.from_profile(name)
    assert Config.from_json(config.model_dump_json()) == config
    assert config.profile == name


def test_digest_changes_with_any_value():
    config = Config()
    assert config.digest() == Config().digest()
    assert config.digest() != config.override({"resynthesis.training.seed": 1}).digest()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"resynthesis.trainin.steps": 3}, "resynthesis.trainin.steps"),
        ({"resynthesis.training.step": 3}, "resynthesis.training.step"),
        ({"resynthesis.training.steps": "many"}, "resynthesis.training.steps"),
        ({"resynthesis.training.steps": -1}, "resynthesis.training.steps"),
        ({"resynthesis.generator.upsample_rates": (8, 8, 2)}, "hop_length"),
        ({"resynthesis.generator.channels": 20}, "divisible"),
        ({"resynthesis.generator": "v4"}, "v1, v2, v3, istft"),
        ({"resynthesis.generator.dilations": ((1, 3),)}, "one entry for each"),
        ({"resynthesis.generator": "istft"}, "warm_start"),
        ({"conversion.content.kind": "mel"}, "needs an F0"),
        ({"conversion.content.pitch": "normalised"}, "needs an F0"),
        ({"corpus.min_duration": 11.0}, "min_duration"),
        ({"corpus.name": "librispech"}, "corpus.name"),
        ({"corpus.speed": 1.1}, "corpus.speed is of corpora of one language, cvss-t has pairs: set it to 1"),
        ({"corpus.name": "mini", "corpus.speed": 0.9}, "corpus.speed .* mini has pairs: set it to 1"),
        (
            {"corpus.name": "combined", "corpus.members": [{"name": "vctk"}], "corpus.speed": 1.1},
            "corpus.speed is not of corpus.name=combined: set it to 1, and give members a speed",
        ),
        (
            {"corpus.name": "combined", "corpus.members": [{"name": "mini", "label": "fast", "speed": 1.1}]},
            "corpus.members: mini has pairs, at their own speed only: leave out its speed",
        ),
        (
            {"conversion.discriminator.crop_frames": 64},
            "crop_frames = 64 is not below training.segment_frames = 64: set a smaller",
        ),
        ({"resynthesis.discriminator.crop_frames": 40}, "resynthesis: discriminator.crop_frames = 40 is not below"),
        (
            {"conversion.training.cuda_graph": True, "conversion.training.precision": "16-mixed"},
            "training.cuda_graph is not for training.precision = 16-mixed.*bf16-mixed or 32-true, or cuda_graph",
        ),
        ({"audio.fmin": 8000.0}, "fmin must be below fmax"),
        ({"audio.fmax": 12_000.0}, r"fmax at most half the sample rate \(11025 Hz\)"),
        ({"audio.fmax": 0.0}, "fmax"),
        ({"conversion.training.betas": (0.8, 1.0)}, "betas"),
        ({"conversion.training.betas": (-0.1, 0.9)}, "betas"),
    ],
)
def test_typos_and_contradictions_are_refused(changes, says):
    with pytest.raises(ConfigError, match=says):
        Config().override(changes)


def test_a_speed_a_crop_and_recorded_steps_that_make_sense_are_accepted():
    assert Config().override({"corpus.name": "vctk", "corpus.speed": 1.1}).corpus.speed == 1.1
    assert Config().override({"conversion.discriminator.crop_frames": 63}).conversion.discriminator.crop_frames == 63
    recorded = {"conversion.training.cuda_graph": True, "conversion.training.precision": "bf16-mixed"}
    assert Config().override(recorded).conversion.training.cuda_graph


def test_unknown_profile_names_the_known_ones():
    with pytest.raises(ConfigError, match="smoke"):
        Config.from_profile("smok")


def test_unknown_key_in_a_file_is_refused():
    with pytest.raises(ConfigError, match="colour"):
        Config.from_json('{"colour": 3}')
    with pytest.raises(ConfigError, match="not JSON"):
        Config.from_json("{")


def test_assignments():
    assert parse_assignment("resynthesis.training.steps=10") == ("resynthesis.training.steps", 10)
    assert parse_assignment("corpus.root=a/b=c") == ("corpus.root", "a/b=c")
    with pytest.raises(ConfigError):
        parse_assignment("resynthesis.training.steps")


@given(st.floats(1e-6, 1.0))
def test_floats_survive_json(rate):
    config = Config().override({"resynthesis.training.learning_rate": rate})
    assert Config.from_json(config.model_dump_json()).resynthesis.training.learning_rate == rate


def test_a_generator_by_name_and_a_change_on_top():
    config = Config().override({"conversion.generator": "v2", "conversion.content.kind": "mel"})
    assert (config.conversion.generator.kind, config.conversion.generator.channels) == ("hifigan", 128)
    assert config.override({"conversion.generator.channels": 64}).conversion.generator.channels == 64


def test_an_unknown_task_names_the_known_ones():
    with pytest.raises(ConfigError, match="resynthesis, conversion"):
        Config().recipe("cloning")


def test_names_of_earlier_versions_keep_working():
    """A run folder's config.json, and --set on the command line."""
    now = Config.from_profile("released").override({"cloning.guidance": 1.5, "validation.metrics": ["evaluation"]})
    text = now.model_dump_json()
    for new, old in (
        ('"cloning"', '"cascade"'),
        ('"evaluation":', '"judges":'),
        ('["evaluation"]', '["judges"]'),
        ('"sampled_speaker"', '"swap"'),
        ('"best_by":"conditioning_sensitivity"', '"best_by":"listening"'),
        ('"pitch":"target_median"', '"pitch":"level"'),
    ):
        text = text.replace(new, old)
    assert '"judges"' in text
    assert Config.from_json(text) == now
    assert Config().override({"cascade.guidance": 2.0}) == Config().override({"cloning.guidance": 2.0})
    assert Config().override({"encoders.judges": []}).encoders.evaluation == ()
    assert Config().override({"conversion.content.pitch": "level"}) == Config()
    assert Config().override({"resynthesis.content": {"pitch": "level"}}) == Config()
    assert Config().override({"ablation.losses": {"swap": 1.0}}).ablation.losses == {"sampled_speaker": 1.0}
    with pytest.raises(ConfigError, match="no setting named"):
        Config().override({"cascade.nothing": 1})


def test_the_digest_is_the_one_under_the_earlier_name_of_a_pitch():
    """Provenance that an earlier version wrote belongs to the configuration; so do folders named by a digest."""
    config = Config.from_profile("smoke")
    text = config.model_dump_json(exclude=config.unused())
    earlier = json.loads(text.replace('"pitch":"target_median"', '"pitch":"level"'))
    assert earlier["conversion"]["content"]["pitch"] == "level"
    canonical = json.dumps(earlier, sort_keys=True).encode()
    assert config.digest() == hashlib.sha256(canonical).hexdigest()[:12]
    assert digest(["teacher", earlier["conversion"]]) == digest(["teacher", json.loads(text)["conversion"]])
    assert digest({"pitch": "level"}) != digest({"pitch": "target_median"}), "another section's pitch"
    assert config.override({"resynthesis.content.pitch": "normalised"}).digest() != config.digest()


def test_a_configuration_without_plugins_is_that_of_earlier_versions():
    """A stored configuration that has no plugins loads, and has the digest that its run's provenance holds."""
    config = Config.from_profile("smoke")
    tree = json.loads(config.model_dump_json())
    assert tree.pop("plugins") == []
    added = {"corpus": CorpusConfig, "validation": ValidationConfig, "ablation": AblationConfig}
    added["cloning"] = CloningConfig
    for section, kind in added.items():
        for name in kind.ADDED:
            del tree[section][name]
    for task in TASKS:
        for name in TrainingConfig.ADDED:
            del tree[task]["training"][name]
        for name in DiscriminatorConfig.ADDED:
            del tree[task]["discriminator"][name]
        for name in LossConfig.ADDED:
            del tree[task]["losses"][name]
    assert Config.from_json(json.dumps(tree)) == config
    assert digest(tree) == config.digest()
    assert config.override({"plugins": "json"}).digest() != config.digest()
    assert config.override({"conversion.training.condition_from": "another"}).digest() != config.digest()


@pytest.mark.parametrize("given", ["json,csv", "json, csv", ["json", "csv"], ("json", "csv")])
def test_plugins_by_commas_or_as_a_list(given):
    config = Config().override({"plugins": given})
    assert config.plugins == ("json", "csv")
    assert Config.from_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"conversion.losses.adversrial": 1.0}, "conversion.losses: no loss named 'adversrial'; known: adversarial"),
        ({"encoders.speaker": "ecap"}, "encoders.speaker: no encoder named 'ecap'; known: ecapa, tiny-test, auto"),
        ({"encoders.emotion": "ecapa"}, "no encoder named 'ecapa'; known: emotion2vec, whisper-emotion, egemaps, auto"),
        ({"encoders.evaluation": ["auto"]}, "no encoder named 'auto'; known: resemblyzer, eres2net"),
        ({"validation.metrics": ["pesk"]}, "validation.metrics: no metric named 'pesk'; known: mel_l1"),
        ({"ablation.metrics": ["pesk"]}, "ablation.metrics: no metric named 'pesk'; known: mel_l1"),
        ({"corpus.name": "librispech"}, "known: mini, cvss-t, recordings, manifest"),
        ({"conversion.generator": {"channels": 3}}, "generator.kind is missing; known: hifigan, istft"),
        ({"conversion.generator.kind": "vocos"}, "no generator named 'vocos'; known: hifigan, istft"),
        ({"plugins": "no_such_module"}, "cannot import 'no_such_module'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_known_ones(changes, says):
    with pytest.raises(ConfigError, match=says) as caught:
        Config().override(changes)
    assert "\n" not in str(caught.value)


def test_old_names_work_in_a_whole_section_too():
    assert Config().override({"encoders": {"judges": []}}).encoders.evaluation == ()
    with pytest.raises(ConfigError, match="no setting named 'ablation.losses.sped'"):
        Config().override({"ablation.losses.sped": 1.0})


def test_default_means_the_small_weights_for_a_generator_of_their_sizes():
    """Before the default weights became larger, "default" was the name of the small ones."""
    settings = {"conversion.training.warm_start": "default", "ablation.warm_start": "default"}
    earlier = Config.from_profile("demo").override(settings | {"conversion.training.teacher": "default"})
    found = Config.from_json(earlier.model_dump_json())
    assert (found.conversion.training.warm_start, found.conversion.training.teacher) == ("small", "default")
    assert found.ablation.warm_start == "small"
    assert found.resynthesis == earlier.resynthesis
    larger = Config.from_profile("human").override(settings)
    assert Config.from_json(larger.model_dump_json()) == larger


def test_an_unknown_metric_is_refused():
    with pytest.raises(ConfigError, match="metrics"):
        Config().override({"validation.metrics": ("mel_l1", "peqs")})
