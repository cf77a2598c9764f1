"""The command line: bad input is one line with the name and the remedy, exit status 2, earlier results untouched."""

import itertools
import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from helpers import TINY, voiced
from typer.testing import CliRunner

from thesis_lib import cli, cloning
from thesis_lib.audio.files import SUFFIXES, check_speech, read_audio, write_audio
from thesis_lib.cli.options import config_of


def thesis(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    """Run the command line; return exit status, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["thesis", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out = capsys.readouterr()
    return ended.value.code or 0, out.out, out.err


COMMANDS = [
    "config",
    "download",
    "prepare",
    "embed",
    "analyse",
    "train",
    "validate",
    "ablate",
    "compress",
    "export",
    "stream",
    "clone",
    "clone-report",
    "detect",
    "adapt",
    "serve",
    "book",
]


@pytest.mark.parametrize(
    "command",
    [
        *([c] for c in COMMANDS),
        *(["models", c] for c in ("list", "fetch", "verify")),
        *(["manifest", c] for c in ("show", "stats", "verify", "leak")),
        ["weights", "reproduce"],
    ],
)
def test_every_help_shows_an_example(command):
    result = CliRunner().invoke(cli.app, [*command, "--help"])
    assert result.exit_code == 0
    assert f"Example: thesis {' '.join(command)}" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "--profile", "dmo"], "known: thesis, demo, released, human, smoke"),
        (["train", "--profile", "smoke", "--set", "resynthesis.training.stepz=3"], "resynthesis.training.stepz"),
        (["train", "--profile", "smoke", "--set", "resynthesis.training.steps"], "section.key=value"),
        (["train", "--profile", "smoke", "--set", "resynthesis.training.steps=-2"], "resynthesis.training.steps"),
        (["config", "--set", "resynthesis.generator.upsample_rates=[2,2]"], "hop_length"),
        (["train", "--task", "cloning", "--profile", "smoke"], "resynthesis, conversion"),
        (["swap-test", "--profile", "smoke", "--set", "swap.trials=1"], "swap.trials"),
        (["models", "fetch", "ecappa"], "known: ecapa"),
        (["book", "--profile", "smoke"], "inside the project's folder"),
        (["prepare", "--profile", "thesis"], "corpus.root"),
        (["prepare", "--profile", "smoke", "--set", "corpus.format=mp3"], "corpus.format"),
        (["manifest", "stats", "--run-dir", "nowhere"], "manifest.json is missing"),
        (["download", "corpus"], "--common-voice"),
        (["adapt", "nowhere.wav", "--run-dir", "me"], "nowhere.wav: missing file"),
        (["clone", "a.wav", "b.wav", "--text", "hi", "--content", "c.wav"], "give one of them"),
        (["clone", "a.wav", "b.wav", "--emotion-mix", "0.5"], "--emotion-from"),
        (["weights", "reproduce"], "clone it"),
        (["prepare", "--profile", "thesis", "--set", "corpus.root=nowhere"], "train.tsv is missing"),
    ],
)
def test_wrong_arguments_are_one_line_of_error(arguments, says, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, _, err = thesis(monkeypatch, capsys, *arguments)
    assert code == 2
    assert says in err
    assert err.count("\n") == 1, err


@pytest.mark.parametrize(("options", "folder"), [([], None), (["--out", "new"], Path("new"))])
def test_weights_go_to_the_package_or_to_the_folder_that_is_named(options, folder, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = []
    monkeypatch.setattr("thesis_lib.training.released.reproduce_weights", lambda *arguments: given.append(arguments))
    code, _, _ = thesis(monkeypatch, capsys, "weights", "reproduce", "--profile", "human", "--device", "cpu", *options)
    assert code == 0
    assert given[0][0].config.profile == "human"
    assert given[0][1] == folder
    assert given[0][4] == "cpu"


EXAMPLES = [
    line.split("Example: ")[1]
    for path in sorted(Path(cli.__file__).parent.glob("*.py"))
    for line in path.read_text().splitlines()
    if "Example: thesis" in line
]


@pytest.mark.parametrize("example", [line for line in EXAMPLES if "--set" in line])
def test_the_settings_in_the_examples_exist(example):
    words = shlex.split(example)
    options = list(itertools.pairwise(words))
    profile = next((value for name, value in options if name == "--profile"), "demo")
    changes = [value for name, value in options if name == "--set"]
    assert config_of(profile, changes)


def test_config_prints_what_it_will_do(monkeypatch, capsys):
    code, out, _ = thesis(monkeypatch, capsys, "config", "--profile", "smoke", "--set", "resynthesis.training.steps=7")
    assert code == 0
    assert json.loads(out)["resynthesis"]["training"]["steps"] == 7


def test_what_a_manifest_holds(monkeypatch, capsys, tiny_run):
    where = ["--run-dir", str(tiny_run.path)]
    code, out, err = thesis(monkeypatch, capsys, "manifest", "show", *where, "--split", "test", "--limit", "2")
    assert code == 0
    assert out.count("test ") == 2
    assert "and 2 more" in err
    speaker = json.loads(thesis(monkeypatch, capsys, "manifest", "show", *where, "--json")[1].splitlines()[0])[
        "speaker"
    ]
    _, out, _ = thesis(monkeypatch, capsys, "manifest", "show", *where, "--json", "--speaker", speaker[:9])
    assert {json.loads(line)["speaker"] for line in out.splitlines()} == {speaker}
    assert thesis(monkeypatch, capsys, "manifest", "show", *where, "--rejects")[1] == ""
    _, out, _ = thesis(monkeypatch, capsys, "manifest", "stats", *where)
    assert "12 pairs, 0 rows left out" in out
    assert thesis(monkeypatch, capsys, "manifest", "verify", *where)[0] == 0
    settings = [f"--set={key}={json.dumps(value)}" for key, value in TINY.items()]
    code, out, _ = thesis(monkeypatch, capsys, "manifest", "leak", "--profile", "smoke", *where, *settings)
    assert code == 0
    for compared in ("validation against train: ", "test against train: ", "test against validation: "):
        assert compared in out


def test_another_configuration_leaves_a_run_untouched(monkeypatch, capsys, tiny_run):
    before = {p: p.stat().st_mtime_ns for p in tiny_run.path.rglob("*") if p.is_file()}
    code, _, err = thesis(monkeypatch, capsys, "train", "--profile", "smoke", "--run-dir", str(tiny_run.path))
    assert code == 2
    assert "another configuration" in err
    assert before == {p: p.stat().st_mtime_ns for p in tiny_run.path.rglob("*") if p.is_file()}


@pytest.fixture
def recordings(tmp_path) -> Path:
    soundfile.write(tmp_path / "good.wav", voiced(1.0), 22_050, subtype="PCM_24")
    data = (tmp_path / "good.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("hola")
    (tmp_path / "folder.wav").mkdir()
    soundfile.write(tmp_path / "silent.wav", np.zeros(22_050), 22_050)
    soundfile.write(tmp_path / "nan.wav", np.full(22_050, np.nan), 22_050, subtype="FLOAT")
    soundfile.write(tmp_path / "one.wav", np.ones(1) * 0.5, 22_050)
    soundfile.write(tmp_path / "loud.wav", np.sign(voiced(1.0)), 22_050)
    (tmp_path / "out.wav").write_bytes(b"an earlier result")
    return tmp_path


@pytest.fixture
def fake_pipeline(monkeypatch):
    """The pipeline's checks without its models; yields the recorded arguments."""
    asked = {}

    def call(pipeline, source, target, request, say, progress, adapter):
        wav, rate = read_audio(source)
        check_speech(wav, rate, source)
        write_audio(target, wav, rate)
        asked.update(request=request, adapter=adapter)
        say("a note")
        translation = request.text or "hello"
        return cloning.Clone(
            str(source), str(target), 1.0, 1.0, "hola", translation, "ecapa", 0.1, 0.2, ("a note",), {"speak": 2.0}
        )

    def build(vocoder, config, **options):
        asked.update(vocoder=vocoder, config=config, **options)
        return type("P", (), {"vocoder": type("V", (), {"name": "toy"})()})()

    monkeypatch.setattr(cloning, "build", build)
    monkeypatch.setattr(cloning, "clone_file", call)
    return asked


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.wav", "missing file"),
        ("folder.wav", "holds no recordings"),
        ("empty.wav", "zero length"),
        ("text.wav", "undecodable"),
        ("cut.wav", "truncated"),
        ("silent.wav", "silence"),
        ("nan.wav", "not finite"),
        ("one.wav", "too short"),
        ("loud.wav", "clipping"),
    ],
)
def test_clone_refuses_bad_recordings(name, says, recordings, fake_pipeline, monkeypatch, capsys):
    out = recordings / "out.wav"
    code, _, err = thesis(monkeypatch, capsys, "clone", str(recordings / name), str(out))
    assert code == 2
    assert says in err
    assert name in err
    assert out.read_bytes() == b"an earlier result"


def test_clone_passes_the_device_and_the_encoder_settings_on(recordings, fake_pipeline, monkeypatch, capsys):
    source, out = str(recordings / "good.wav"), str(recordings / "new.wav")
    settings = ("--set", "encoders.emotion_folder=mine", "--set", "encoders.precision=float32")
    assert thesis(monkeypatch, capsys, "clone", source, out, "--device", "cuda", *settings)[0] == 0
    assert fake_pipeline["device"] == "cuda"
    encoders = fake_pipeline["encoders"]
    assert (encoders.emotion_folder, encoders.precision) == ("mine", "float32")
    assert encoders.model_fields_set == {"emotion_folder", "precision"}, "the profile's encoders are not the vocoder's"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--device", "cuda:99"), "device cuda:99: this machine has"),
        (("--device", "tpu9"), "device 'tpu9' is unknown"),
        (("--set", "encoders.speaker=tiny-test"), "encoders.speaker=tiny-test: the vocoder was trained with ecapa"),
        (
            ("--set", "encoders.emotion_folder=x"),
            "encoders.emotion_folder=x: the vocoder was trained with whisper",
        ),
    ],
)
def test_clone_refuses_a_missing_device_and_foreign_encoders(recordings, monkeypatch, capsys, options, says):
    code, _, err = thesis(monkeypatch, capsys, "clone", str(recordings / "good.wav"), "new.wav", *options)
    assert code == 2
    assert says in err


def test_clone_prints_json_alone_on_stdout(recordings, fake_pipeline, monkeypatch, capsys):
    source, out = recordings / "good.wav", recordings / "new.flac"
    code, printed, err = thesis(monkeypatch, capsys, "clone", str(source), str(out), "--json", "--text", "hi")
    report = json.loads(printed)
    assert code == 0
    assert (report["translation"], report["similarity_before"], report["vocoder"]) == ("hi", 0.1, "toy")
    assert soundfile.info(out).format == "FLAC"
    assert "a note" in err
    assert "no --consent given" in err


def test_clone_passes_its_options_to_the_pipeline(recordings, fake_pipeline, monkeypatch, capsys):
    monkeypatch.chdir(recordings)
    for name in ("b.wav", "c.wav", "d.wav"):
        (recordings / name).write_bytes((recordings / "good.wav").read_bytes())
    good = str(recordings / "good.wav")
    options = ["--guidance", "2", "--voice", "am_adam", "--translator", "folder", "--fit", "--adapt", "1.5"]
    options += ["--voice-from", good, "--voice-from", "b.wav", "--emotion-from", "c.wav", "--emotion-mix", "0.5"]
    options += ["--content", "d.wav", "--subtitles", "--consent", "me", "--set", "cloning.watermark=false"]
    options += ["--set", "encoders.emotion_folder=weights"]
    code, printed, err = thesis(monkeypatch, capsys, "clone", good, str(recordings / "new.wav"), *options)
    assert code == 0
    config, request = fake_pipeline["config"], fake_pipeline["request"]
    assert (config.guidance, config.voice, config.translator) == (2.0, "am_adam", "folder")
    assert (config.fit, config.watermark) == (True, False)
    adapted_with = fake_pipeline["adapter"].keywords
    assert (adapted_with["encoders"].emotion_folder, adapted_with["plugins"]) == ("weights", ())
    assert request == cloning.Request(
        None, Path("d.wav"), (Path(good), Path("b.wav")), Path("c.wav"), 0.5, 1.5, True, "me"
    )
    assert "consent given" not in err
    assert "speak 2.0, for 1.0 s of Spanish" in printed


@pytest.mark.parametrize("option", ["--content", "--voice-from", "--emotion-from"])
def test_clone_names_a_missing_recording_before_models_are_loaded(option, recordings, monkeypatch, capsys):
    def build(*given, **options):
        raise AssertionError("models were loaded")

    monkeypatch.setattr(cloning, "build", build)
    good, missing = str(recordings / "good.wav"), str(recordings / "missing.wav")
    for source, target in ((good, recordings / "new.wav"), (str(recordings), recordings.parent / "english")):
        code, _, err = thesis(monkeypatch, capsys, "clone", source, str(target), option, missing, "--consent", "me")
        assert code == 2
        assert "missing.wav: missing file; check the path" in err
        assert err.count("\n") == 1, err


def test_clone_refuses_a_target_that_cannot_be_written_before_models_are_loaded(recordings, monkeypatch, capsys):
    def build(*given, **options):
        raise AssertionError("models were loaded")

    monkeypatch.setattr(cloning, "build", build)
    code, _, err = thesis(monkeypatch, capsys, "clone", "-", "live.xyz", "--consent", "me")
    assert (code, err) == (2, f"thesis: live.xyz: the suffix of the output must be one of {', '.join(SUFFIXES)}\n")
    (recordings / "in").mkdir()
    (recordings / "in" / "good.wav").write_bytes((recordings / "good.wav").read_bytes())
    code, _, err = thesis(monkeypatch, capsys, "clone", str(recordings / "in"), str(recordings / "out.wav"))
    assert code == 2
    assert "out.wav is a file: name a folder" in err
    assert (recordings / "out.wav").read_bytes() == b"an earlier result"


@pytest.mark.parametrize(
    ("source", "speakers", "message"),
    [
        ("good.wav", "0", "--speakers 0: give auto, or a number from 1 to 20"),
        ("good.wav", "many", "--speakers many: give auto, or a number from 1 to 20"),
        ("-", "auto", "--speakers, --credentials and --background keep need a file: name a recording instead of -"),
    ],
)
def test_clone_refuses_speakers_before_models_are_loaded(source, speakers, message, recordings, monkeypatch, capsys):
    def build(*given, **options):
        raise AssertionError("models were loaded")

    monkeypatch.setattr(cloning, "build", build)
    place = source if source == "-" else str(recordings / source)
    target = str(recordings / "new.wav")
    code, _, err = thesis(monkeypatch, capsys, "clone", place, target, "--speakers", speakers, "--consent", "me")
    assert code == 2
    assert message in err
    assert err.count("\n") == 1, err


def test_clone_of_a_folder_and_of_stdin(recordings, monkeypatch, capsys, tmp_path):
    table = pd.DataFrame(
        {"file": ["a.wav", "b.wav"], "status": ["done", "failed"], "reason": ["", "b.wav: silence; x"]}
    )
    monkeypatch.setattr(cloning, "clone_folder", lambda *given: table)
    code, out, err = thesis(monkeypatch, capsys, "clone", str(recordings), str(tmp_path / "out"))
    assert code == 1
    assert "1 of 2 recordings" in out
    assert "failed: b.wav: silence" in err
    _, out, _ = thesis(monkeypatch, capsys, "clone", str(recordings), str(tmp_path / "out"), "--json")
    assert [row["status"] for row in json.loads(out)] == ["done", "failed"]
    code, _, err = thesis(monkeypatch, capsys, "clone", "-", "-", "--text", "hello")
    assert code == 2
    assert "need a file" in err


def test_clone_refuses_to_overwrite_its_input_or_an_unknown_format(recordings, fake_pipeline, monkeypatch, capsys):
    good = str(recordings / "good.wav")
    assert "is the input" in thesis(monkeypatch, capsys, "clone", good, good)[2]
    assert "suffix" in thesis(monkeypatch, capsys, "clone", good, str(recordings / "out.xyz"))[2]


def test_offline_and_models_dir(tmp_path):
    command = [str(Path(sys.executable).with_name("thesis")), "--offline", "--models-dir", str(tmp_path)]
    listed = subprocess.run([*command, "models", "list"], capture_output=True, text=True, check=True)
    assert str(tmp_path) in listed.stdout
    assert "cached  " not in listed.stdout
    fetched = subprocess.run([*command, "models", "fetch", "ecapa"], capture_output=True, text=True, check=False)
    assert fetched.returncode == 2
    assert "downloads are off" in fetched.stderr


def test_verify_finds_a_wrong_byte(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("THESIS_MODELS_DIR", str(tmp_path))
    (tmp_path / "resemblyzer").mkdir()
    (tmp_path / "resemblyzer" / "pretrained.pt").write_bytes(b"x")
    code, out, err = thesis(monkeypatch, capsys, "models", "verify")
    assert code == 1
    assert "wrong: pretrained.pt" in out
    assert "fetch" in err
