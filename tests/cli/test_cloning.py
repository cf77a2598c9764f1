"""`thesis clone`: bad recordings and options are refused before models are loaded, and options reach the pipeline."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from commands import thesis
from helpers import voiced

from thesis_lib import cloning
from thesis_lib.audio.files import SUFFIXES, check_speech, read_audio, write_audio


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
    assert "synthesis 2.0, for 1.0 s of Spanish" in printed


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
    code, _, err = thesis(monkeypatch, capsys, "clone", "-", "-", "--json")
    assert code == 2
    assert "the speech and the result of --json would both go to stdout" in err
    monkeypatch.setattr(cloning, "clone_live", lambda *given: 1.5)
    _, out, _ = thesis(monkeypatch, capsys, "clone", "-", str(tmp_path / "live.wav"), "--json")
    assert json.loads(out) == {"target": str(tmp_path / "live.wav"), "seconds": 1.5}
    code, _, err = thesis(monkeypatch, capsys, "clone", "-", "-", "--text", "hello")
    assert code == 2
    assert "need a file" in err


def test_clone_refuses_to_overwrite_its_input_or_an_unknown_format(recordings, fake_pipeline, monkeypatch, capsys):
    good = str(recordings / "good.wav")
    assert "is the input" in thesis(monkeypatch, capsys, "clone", good, good)[2]
    assert "suffix" in thesis(monkeypatch, capsys, "clone", good, str(recordings / "out.xyz"))[2]
    (recordings / "out.en.srt").mkdir()
    assert "is a folder" in thesis(monkeypatch, capsys, "clone", good, str(recordings / "out.wav"), "--subtitles")[2]
    voice = str(recordings / "voice.wav")
    shutil.copy(good, voice)
    for option in ("--voice-from", "--emotion-from", "--content"):
        assert "also a recording" in thesis(monkeypatch, capsys, "clone", good, voice, option, voice)[2]
    many = thesis(monkeypatch, capsys, "clone", good, str(recordings / "o.wav"), "--speakers", "9" * 5000)
    assert many[0] == 2
    assert "give auto, or a number from 1 to" in many[2]
