"""Options that several commands share: what ``--device`` and ``--set`` reach."""

import pytest
from typer.testing import CliRunner

from thesis_lib.cli import app
from thesis_lib.cli.options import plugins_of, run_of
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


def test_the_settings_that_a_command_reads():
    assert plugins_of(["plugins=json,csv", "encoders.batch_size=2"], "encoders") == ("json", "csv")
    with pytest.raises(ConfigError, match=r"^encoders.batch_size: of --set, this command reads plugins only"):
        plugins_of(["encoders.batch_size=2"])
    with pytest.raises(ConfigError, match="no setting named 'plugin'"):
        plugins_of(["plugin=json"])
