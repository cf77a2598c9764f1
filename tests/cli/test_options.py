"""Options that several commands share: what ``--device`` and ``--set`` reach."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from thesis_lib.cli import app
from thesis_lib.cli.options import run_of, settings_of
from thesis_lib.config import ConfigError
from thesis_lib.runs.folder import Run


def test_the_device_is_that_of_the_vocoders_and_of_the_encoders(tmp_path):
    run = run_of("smoke", tmp_path / "run", None, "cuda:1")
    assert (run.device, run.config.encoders.device) == ("cuda:1", "cuda:1")
    named = run_of("smoke", tmp_path / "other", ["encoders.device=cpu"], "cuda:1")
    assert (named.device, named.config.encoders.device) == ("cuda:1", "cpu")
    assert run_of("smoke", tmp_path / "third", None).config.encoders.device == "cpu"


def test_a_run_goes_on_with_its_encoders_on_another_device(tiny_run):
    there = Run(tiny_run.path, tiny_run.config.override({"encoders.device": "cuda"}))
    assert there.config.encoders.device == "cuda"
    assert there.digest == tiny_run.digest, "its tables stay up to date"


@pytest.mark.parametrize("verb", ["validate", "swap-test", "stream", "clone"])
def test_the_help_says_what_the_device_is_of(verb):
    said = " ".join(CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "300"}).output.split())
    assert "Device of the vocoder and the encoders of its condition" in said


def test_the_page_on_translation_has_every_option_of_the_command():
    page = (Path(__file__).parents[2] / "book" / "translate.md").read_text()
    named = set(re.findall(r"--[a-z][a-z-]*", page[page.index("| option of") : page.index("Recordings are read")]))
    command = typer.main.get_command(app).commands["clone"]
    options = {option for parameter in command.params if not parameter.hidden for option in parameter.opts}
    assert named == {option for option in options if option.startswith("--")}


@pytest.mark.parametrize("verb", ["adapt", "export", "stream"])
def test_a_setting_that_a_command_does_not_read_is_refused(verb, tmp_path):
    places = {
        "adapt": [str(tmp_path / "a.wav"), "--run-dir", str(tmp_path / "run")],
        "export": [str(tmp_path / "a.onnx")],
        "stream": [str(tmp_path / "a.wav"), str(tmp_path / "b.wav")],
    }
    done = CliRunner().invoke(app, [verb, *places[verb], "--set", "conversion.training.steps=3"])
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith("conversion.training.steps: of --set, this command reads plugins")


@pytest.mark.parametrize(
    ("command", "key"),
    [
        *((verb, key) for verb in ("clone a.wav b.wav", "serve") for key in ("corpus.limit", "validation.utterances")),
        *((verb, "encoders.evaluation") for verb in ("clone a.wav b.wav", "serve", "adapt a.wav --run-dir run")),
        *((verb, "cloning.examples") for verb in ("clone a.wav b.wav", "serve")),
        ("clone a.wav b.wav", "encoders.batch_size"),
        ("stream a.wav b.wav --voice-from a.wav", "encoders.evaluation"),
        ("stream a.wav b.wav --voice-from a.wav", "encoders.batch_size"),
        ("stream a.wav b.wav", "encoders.device"),
    ],
)
def test_a_key_that_has_no_effect_is_refused_before_anything_is_read(command, key):
    value = "[]" if key == "encoders.evaluation" else "cpu" if key == "encoders.device" else "2"
    done = CliRunner().invoke(app, [*command.split(), "--set", f"{key}={value}"])
    assert isinstance(done.exception, ConfigError)
    says, _, known = str(done.exception).partition(" only: leave that setting out")[0].partition("reads ")
    assert says == f"{key}: of --set, this command "
    assert known.split(", ")[0] == "plugins"
    assert key not in known.split(", ")


def test_the_settings_that_a_command_reads():
    read = settings_of(["plugins=json,csv", "encoders.batch_size=2"], "encoders.batch_size")
    assert (read.plugins, read.encoders.batch_size) == (("json", "csv"), 2)
    with pytest.raises(ConfigError, match=r"^encoders.batch_size: of --set, this command reads plugins only"):
        settings_of(["encoders.batch_size=2"])
    with pytest.raises(ConfigError, match=r"^encoders.device: of --set, this command reads plugins, encoders.speaker"):
        settings_of(['encoders={"speaker": "ecapa", "device": "cpu"}'], "encoders.speaker")
    with pytest.raises(ConfigError, match="no setting named 'plugin'"):
        settings_of(["plugin=json"])
    clone = ["clone", "a.wav", "b.wav", "--adapt", "1", "--set", "encoders.batch_size=2"]
    assert "a.wav: missing file" in str(CliRunner().invoke(app, clone).exception), "an adaptation reads it"
