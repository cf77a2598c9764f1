"""`thesis clone --credentials` signs what it writes, and `thesis detect` says what a file's credentials are."""

import json
import subprocess
import sys

import av
import pytest
from cloning_stages import PLAIN, asked_by_command, make, pipeline
from containers import RATE, muxed
from helpers import spoken, voiced
from signers import actions_of, signer

from thesis_lib import cli, cloning
from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.cloning import CloningError, FolderSettings, Request, SigningKey, check_live, clone_file, clone_folder
from thesis_lib.cloning.credentials import CredentialsError, read_credentials
from thesis_lib.cloning.signing import CredentialsManifest, sign_file
from thesis_lib.cloning.watermark import Detection
from thesis_lib.config import CloningConfig

WITHOUT = """
import sys
sys.modules["c2pa"] = sys.modules["cryptography"] = None
sys.argv = ["thesis", *sys.argv[1:]]
from thesis_lib.cli import main
main()
"""


def thesis(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["thesis", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out = capsys.readouterr()
    return left.value.code or 0, out.out, out.err


def test_an_audio_file_is_created_and_its_voice_recording_named(stages, recording, tmp_path):
    ana, target = signer(tmp_path), tmp_path / "out.wav"
    request = Request(voice_from=(recording,), consent="Ana, by letter", subtitles=True, credentials=ana)
    clone_file(pipeline(stages), recording, target, request)
    clone_file(pipeline(stages), recording, tmp_path / "plain.wav", Request(voice_from=(recording,)))
    assert read_credentials(target, ana.certificate).state == "trusted"
    (created,) = actions_of(target)
    assert created["action"] == "c2pa.created"
    assert "Consent: Ana, by letter" in created["description"]
    assert len(created["parameters"]["ingredients"]) == 1  # the same recording gives words and voice
    assert (read_audio(target)[0] == read_audio(tmp_path / "plain.wav")[0]).all()
    assert (tmp_path / "out.en.srt").exists()
    write_audio(tmp_path / "encoded.mp3", *read_audio(target))
    assert read_credentials(tmp_path / "encoded.mp3") is None  # as the book says


@pytest.mark.parametrize(("options", "action"), [({}, "c2pa.translated"), ({"text": "hello"}, "c2pa.edited")])
def test_a_film_and_a_kept_background_are_composites(stages, tmp_path, options, action):
    film = muxed(tmp_path / "film.mp4", spoken(0, RATE), "aac", picture=True)
    request = Request(subtitles=True, consent="Ana", credentials=signer(tmp_path), **options)
    clone_file(pipeline(stages), film, tmp_path / "film.en.mp4", request)
    background = PLAIN.model_copy(update={"background": "keep"})
    clone_file(pipeline(stages, background), film, tmp_path / "film.en.mp3", request)
    for target in (tmp_path / "film.en.mp4", tmp_path / "film.en.mp3"):
        assert read_credentials(target).state == "valid"
        assert [one["action"] for one in actions_of(target)] == ["c2pa.opened", action]
        assert actions_of(target)[1]["digitalSourceType"].endswith("compositeWithTrainedAlgorithmicMedia")
    with av.open(str(tmp_path / "film.en.mp4")) as container:
        assert container.streams.subtitles
        assert "Consent: Ana" in str(container.metadata)
    assert not list(tmp_path.glob(".partial-*"))


def test_a_folder_is_signed_and_refused_before_work_with_a_wrong_key(tiny_run, tmp_path):
    write_audio(tmp_path / "in" / "a.wav", spoken(0), 22_050)
    ana = signer(tmp_path)
    vocoder = str(tiny_run.path / "conversion" / "vocoder")
    wrong = FolderSettings(
        vocoder, PLAIN, Request(credentials=SigningKey(ana.certificate, signer(tmp_path, "Luis").key))
    )
    with pytest.raises(CredentialsError, match="is not the key of"):
        clone_folder(tmp_path / "in", tmp_path / "out", wrong, make=lambda *given: pytest.fail("models were loaded"))
    clone_folder(tmp_path / "in", tmp_path / "out", FolderSettings(vocoder, PLAIN, Request(credentials=ana)), make=make)
    assert read_credentials(tmp_path / "out" / "a.wav.wav").signer == "Ana"


def test_the_command_signs_and_refuses_before_models_are_loaded(recording, tmp_path, monkeypatch, capsys):
    ana, asked = signer(tmp_path), asked_by_command(monkeypatch)
    signing = ("--credentials", ana.certificate, ana.key)
    assert thesis(monkeypatch, capsys, "clone", recording, tmp_path / "out.mp3", *signing)[0] == 0
    assert asked["request"] == Request(credentials=ana)
    monkeypatch.setattr(cloning, "build", lambda *given, **named: pytest.fail("models were loaded"))
    code, _, err = thesis(monkeypatch, capsys, "clone", recording, tmp_path / "out.ogg", *signing, "--consent", "Ana")
    assert code == 2
    assert "out.ogg: content credentials can be in .wav, .mp3, .mp4, .m4v, .mov files" in err
    assert err.count("\n") == 1
    with pytest.raises(CloningError, match="--credentials"):
        check_live(Request(credentials=ana), CloningConfig())


def test_detect_prints_the_credentials_beside_the_watermark(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "thesis_lib.cloning.watermark.detect_watermark", lambda *given: Detection(0.9, 0.8, 1.0, ((0.0, 2.0),))
    )
    ana, plain, made = signer(tmp_path), tmp_path / "plain.wav", tmp_path / "made.wav"
    write_audio(plain, voiced(0.5), 22_050)
    sign_file(plain, made, ana, CredentialsManifest((), ""))
    code, printed, _ = thesis(monkeypatch, capsys, "detect", made, plain, "--trust", ana.certificate)
    assert code == 0
    lines = printed.splitlines()
    assert lines[0] == f"{made}: marked (highest 0.90, mean 0.80, 0-2 s)"
    assert lines[1].startswith(f"{made}: content credentials trusted (signed by 'Ana'; made by thesis-lib")
    assert lines[3] == f"{plain}: no content credentials"
    _, printed, _ = thesis(monkeypatch, capsys, "detect", made, plain, "--json")
    signed, unsigned = map(json.loads, printed.splitlines())
    assert (signed["credentials"]["state"], signed["credentials"]["synthetic"]) == ("valid", True)
    assert unsigned["credentials"] is None
    code, _, err = thesis(monkeypatch, capsys, "detect", made, "--trust", tmp_path / "no.pem")
    assert (code, "no.pem: cannot be read" in err) == (2, True)


def test_without_the_extra_the_option_names_it(recording, tmp_path):
    ana = signer(tmp_path)
    command = ["clone", recording, tmp_path / "out.wav", "--consent", "Ana", "--credentials", ana.certificate, ana.key]
    done = subprocess.run([sys.executable, "-c", WITHOUT, *map(str, command)], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "thesis: this needs the package c2pa: pip install 'thesis-lib[credentials]'\n"
    assert not (tmp_path / "out.wav").exists()


def test_without_the_extra_detect_says_what_it_does_not_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "thesis_lib.cloning.watermark.detect_watermark", lambda *given: Detection(0.9, 0.8, 1.0, ((0.0, 2.0),))
    )
    monkeypatch.setattr("thesis_lib.cloning.credentials.find_spec", lambda name: None)
    write_audio(tmp_path / "a.wav", voiced(0.5), 22_050)
    code, printed, err = thesis(monkeypatch, capsys, "detect", tmp_path / "a.wav")
    assert (code, printed) == (0, f"{tmp_path / 'a.wav'}: marked (highest 0.90, mean 0.80, 0-2 s)\n")
    assert err == "content credentials are not read: pip install 'thesis-lib[credentials]'\n"
