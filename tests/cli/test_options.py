"""Options that several commands share, ``--device`` and ``--set``, and which function each option's value reaches."""

import re
from importlib import import_module
from inspect import signature
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

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


class Reached(BaseException):
    """Ends a command where it calls a function. No Exception, so that no handler in between takes it for an error."""

    def __init__(self, arguments: dict) -> None:
        super().__init__()
        self.arguments = SimpleNamespace(**arguments)


def given_to(function: str, command: str, others: dict, monkeypatch) -> SimpleNamespace | None:
    """The arguments that a command gives to a function, defaults included; None where it ends without calling it.

    ``others`` are substitutes of functions that it calls before.
    """
    module, name = f"thesis_lib.{function}".rsplit(".", 1)
    parameters = signature(getattr(import_module(module), name))

    def reached(*values, **options):
        bound = parameters.bind(*values, **options)
        bound.apply_defaults()
        raise Reached(bound.arguments)

    with monkeypatch.context() as patch:
        for other, substitute in others.items():
            patch.setattr(f"thesis_lib.{other}", substitute)
        patch.setattr(f"{module}.{name}", reached)
        try:
            ended = CliRunner().invoke(app, command.split(), catch_exceptions=False)
        except Reached as call:
            return call.arguments
    assert ended.exit_code == 0, ended.output
    return None


NOTHING = MagicMock()
BEFORE_PAIRS = dict.fromkeys(
    (
        *("validation.validate", "validation.speaker_test.speaker_test", "runs.folder.Run.load_table"),
        *("runs.folder.Run.load_json", "reporting.summary_table", "reporting.settings_table"),
        *("reporting.speakers_table", "reporting.gains_table"),
    ),
    NOTHING,
)
BEFORE_BUILD = {"cloning.check_recordings": NOTHING}
SERVE_BUILDS = {"serving.serve": lambda build, *others: build()}
FILE, HEAD = "clone hola.wav hello.wav", "tcp://head:8786"
REPORT, SWAP = "validation.cloning_report.clone_report", "validation.swap.swap_test"
EMOTION, MODEL = "weights emotion acted", "models push mine me/voice"


@pytest.mark.parametrize(
    ("command", "option", "function", "argument", "value", "others"),
    [
        ("prepare", f"--scheduler {HEAD}", "runs.prepare.prepared", "scheduler", HEAD, {}),
        ("embed", f"--scheduler {HEAD}", "runs.embed.embedded", "scheduler", HEAD, {}),
        ("analyse", f"--scheduler {HEAD}", "runs.analyse.analysed", "scheduler", HEAD, {}),
        ("analyse", "--device cuda:1", "runs.analyse.analysed", "run.device", "cuda:1", {}),
        ("train", "--nodes 2", "training.fabric_of", "nodes", 2, {}),
        ("train", "--devices 2", "training.fabric_of", "devices", 2, {}),
        ("train", "--accelerator cpu", "training.fabric_of", "accelerator", "cpu", {}),
        ("train", "--device cpu", "training.fabric_of", "accelerator", "cpu", {}),
        ("compress", "--profile smoke", "compression.compress", "run.config.profile", "smoke", {}),
        ("compress", "--run-dir mine", "compression.compress", "run.path.name", "mine", {}),
        ("compress", "--set compression.repeats=9", "compression.compress", "run.config.compression.repeats", 9, {}),
        ("validate", "--device cuda", "validation.validate", "run.device", "cuda", {}),
        ("validate", "--pairs people", "validation.validate_pairs", "folder", Path("people"), BEFORE_PAIRS),
        ("swap-test", "--device cuda", SWAP, "run.device", "cuda", {}),
        ("listening build new", "--set listening.items=3", "validation.listening.build_listening_test",
         "run.config.listening.items", 3, {}),
        (FILE, "--language es", "cloning.build", "config.language", "es", BEFORE_BUILD),
        (FILE, "--style-strength 0.5", "cloning.build", "config.style_strength", 0.5, BEFORE_BUILD),
        ("clone . ../english", "--jobs 3", "cloning.clone_folder", "jobs", 3, {}),
        ("clone - hello.wav", "--rate 8000", "cloning.clone_live", "sample_rate", 8000, {"cloning.build": NOTHING}),
        ("clone-report", "--profile smoke", REPORT, "run.config.profile", "smoke", {}),
        ("clone-report", "--run-dir mine", REPORT, "run.path.name", "mine", {}),
        ("clone-report", "--set cloning.guidance=2", REPORT, "run.config.cloning.guidance", 2, {}),
        ("clone-report", "--vocoder mine", REPORT, "vocoder", "mine", {}),
        ("clone-report", "--pairs people", REPORT, "pairs", Path("people"), {}),
        ("clone-report", "--spanish ana --spanish eva", REPORT, "spanish", [Path("ana"), Path("eva")], {}),
        ("clone-report", "--adapt 1.5", REPORT, "minutes", 1.5, {}),
        ("serve", "--vocoder mine", "cloning.build", "vocoder", "mine", SERVE_BUILDS),
        ("serve", "--translator mine", "cloning.build", "config.translator", "mine", SERVE_BUILDS),
        ("serve", "--device cuda:1", "cloning.build", "device", "cuda:1", SERVE_BUILDS),
        ("download vctk --to corpus", "--keep", "corpus.fetch.fetch_corpus", "keep", True, {}),
        ("download cvss-t --to corpus", "--keep", "corpus.fetch.fetch_cvss_t", "keep", True, {}),
        (MODEL, "--private", "vocoder.hub.upload", "private", True, {}),
        ("weights reproduce", f"--scheduler {HEAD}", "training.released.reproduce_weights", "scheduler", HEAD, {}),
        (EMOTION, "--reading read", "training.emotion.reproduce", "reading", Path("read"), {}),
        (EMOTION, "--cache kept", "training.emotion.reproduce", "cache", Path("kept"), {}),
    ],
)  # fmt: skip
def test_an_option_reaches_the_function_that_uses_it(
    command, option, function, argument, value, others, monkeypatch, tmp_path
):
    """The function gets the value. Without the option it gets another one, or is not called."""
    monkeypatch.chdir(tmp_path)
    received = attrgetter(argument)
    assert received(given_to(function, f"{command} {option}", others, monkeypatch)) == value
    without = given_to(function, command, others, monkeypatch)
    assert without is None or received(without) != value
