"""The commands that errors name: they make the same outputs again."""

import itertools
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from helpers import beside, voiced
from typer.testing import CliRunner

import thesis_lib
from thesis_lib.audio.files import write_audio
from thesis_lib.cli import app
from thesis_lib.cli.options import config_of
from thesis_lib.config import PROFILES, Config
from thesis_lib.losses import LOSSES
from thesis_lib.runs.commands import RECORDINGS, overrides, table_command
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.stages import EMBED, TRAIN
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.training.adaptation import adapt


def options(command: str, name: str) -> list[str]:
    """The values of an option in a command line."""
    words = shlex.split(command)
    return [words[place + 1] for place, word in enumerate(words) if word == name]


def test_a_run_of_a_profile_as_it_is_needs_no_settings(tmp_path):
    run = Run(tmp_path / "run", Config.from_profile("smoke"))
    assert TRAIN.command_for(run, "conversion") == (
        f"thesis train --task conversion --profile smoke --run-dir {tmp_path / 'run'}"
    )


@pytest.mark.parametrize("profile", PROFILES)
def test_the_command_has_the_settings_and_quotes_them(tmp_path, profile, monkeypatch):
    monkeypatch.setattr(LOSSES, "_entries", dict(LOSSES._entries))
    LOSSES.register("loudest")(lambda config, weights: None)
    place = 'my corpus; it\'s "mine"'
    combined = Config.from_profile(profile).corpus.name == "combined"
    changes = {
        "corpus.members" if combined else "corpus.root": [{"name": "vctk", "root": place}] if combined else place,
        "corpus.limit": None,
        "encoders.emotion_folder": "10",  # a folder of this name, no number
        "resynthesis.generator": {"kind": "istft", "channels": 96},
        "resynthesis.training.warm_start": "none",
        "resynthesis.discriminator.periods": [2, 3],
        "conversion.losses.loudest": 0.25,
        "conversion.losses.stft": 0.125,
        "conversion.training.max_minutes": 1 / 3,
        "ablation.losses": {"stft": 2.0},
    }
    config = Config.from_profile(profile).override(changes)
    command = EMBED.command_for(Run(tmp_path / "a run", config))
    assert shlex.split(command)[:2] == ["thesis", "embed"]
    assert options(command, "--run-dir") == [str(tmp_path / "a run")]
    assert config_of(*options(command, "--profile"), options(command, "--set")) == config


def test_no_vocoder_names_the_command_with_the_settings(tiny_run):
    run = Run(tiny_run.path.parent / "without", tiny_run.config)
    with pytest.raises(RunError) as error:
        load_trained_vocoder(run, "conversion")
    (command,) = re.findall("`(.*)`", str(error.value))
    assert options(command, "--task") == ["conversion"]
    assert config_of("smoke", options(command, "--set")) == run.config
    assert "encoders.speaker=tiny-test" in overrides(run.config)


def test_an_ablations_run_is_made_by_the_ablation(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    cell = Run(run.path / "ablation" / "no-mel-loss-0", run.config.override({"conversion.losses.mel": 0.0}))
    command = TRAIN.command_for(cell, "conversion")
    assert shlex.split(command)[:2] == ["thesis", "ablate"]
    assert options(command, "--run-dir") == [str(run.path)]
    assert config_of(*options(command, "--profile"), options(command, "--set")) == run.config
    alone = Run(tmp_path / "ablation" / "mine", run.config)
    assert TRAIN.command_for(alone, "conversion").startswith("thesis train --task conversion")


def verbs_of(command: str) -> list[str]:
    """The words of a command line up to its options and placeholders."""
    return list(itertools.takewhile(lambda word: word.islower() and not word.startswith("-"), shlex.split(command)[1:]))


def test_every_table_has_the_command_that_writes_it(tmp_path):
    run = Run(tmp_path / "a run", Config.from_profile("smoke").override({"swap.trials": 5}))
    sources = "".join(path.read_text() for path in Path(thesis_lib.__file__).parent.rglob("*.py"))
    names = set(re.findall(r'(?:save_(?:table|json)\(|save_results\(run, )"([a-z_]+)"', sources))
    assert {"validation_encoders", "ablation_seeds", "swap", "adaptation", "matrix", "speakers"} <= names
    for name in names:
        command = table_command(run, name)
        assert options(command, "--run-dir") == [str(run.path)]
        assert options(command, "--set") == ([] if command.startswith("thesis book") else ["swap.trials=5"])
        found = typer.main.get_command(app)
        for verb in verbs_of(command):
            found = found.commands[verb]
        assert not hasattr(found, "commands"), f"{command} is a group of commands"
        assert "--run-dir" in {option for parameter in found.params for option in parameter.opts}
    assert verbs_of(table_command(run, "style_swap_not_measured")) == ["swap-test"]
    assert verbs_of(table_command(run, "listening_answers")) == ["listening", "analyse"]
    assert table_command(run, "validations") is None


@pytest.fixture
def adapted(tiny_run, tmp_path) -> Run:
    """A run of `thesis adapt` on one recording, in a folder with a space in its name."""
    write_audio(tmp_path / "my voice.wav", voiced(6.0), 22_050)
    adapt([tmp_path / "my voice.wav"], tmp_path / "of me", str(tiny_run.path / "conversion" / "vocoder"), 0.02)
    return Run(tmp_path / "of me", Config.from_json((tmp_path / "of me" / "config.json").read_text()))


def test_an_adapted_run_is_made_again_by_the_command_that_is_named(adapted, tmp_path):
    before = np.load(adapted.path / "embeddings" / "speaker_source.npy")
    for folder in ("conversion", "embeddings"):
        shutil.rmtree(adapted.path / folder)
    with pytest.raises(RunError) as error:
        load_trained_vocoder(adapted, "conversion")
    (command,) = re.findall("`(.*)`", str(error.value))
    assert command == EMBED.command_for(adapted)
    assert shlex.split(command)[:3] == ["thesis", "adapt", str(tmp_path / "my voice.wav")]
    done = CliRunner().invoke(app, shlex.split(command)[1:])
    assert done.exit_code == 0, done.exception
    load_trained_vocoder(adapted, "conversion")
    # The last digits depend on the number of threads, which the command sets.
    assert np.allclose(np.load(adapted.path / "embeddings" / "speaker_source.npy"), before, rtol=0, atol=1e-4)


def test_the_list_of_recordings_of_an_earlier_version_is_read(adapted, tiny_run, tmp_path):
    """It has names without folders."""
    listed = adapted.path / RECORDINGS
    digest = listed.read_text().split()[0]
    listed.write_text(f"{digest}  my voice.wav\n")
    assert shlex.split(TRAIN.command_for(adapted, "conversion"))[2] == "my voice.wav"
    vocoder = str(tiny_run.path / "conversion" / "vocoder")
    assert adapt([tmp_path / "my voice.wav"], adapted.path, vocoder, 0.02).meta["minutes"] > 0


def test_an_adapted_run_is_shown(adapted):
    done = CliRunner().invoke(app, ["runs", "show", str(adapted.path)])
    assert done.exit_code == 0, done.exception
    assert "profile adapt, configuration" in done.output
    assert 'corpus.name = "recordings" instead of "cvss-t"' in done.output
    assert "conversion.training.max_minutes = 0.02 instead of null" in done.output
    assert "  profile =" not in done.output
