"""A film is cloned to a film: its picture, English speech, subtitles."""

import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from cloning_stages import HZ, PLAIN, asked_by_command, make, pipeline
from containers import CODECS, RATE, muxed
from helpers import spoken

from thesis_lib import cli, cloning
from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.files import read_audio
from thesis_lib.cloning import FolderSettings, Request, check_target, clone_file, clone_folder
from thesis_lib.cloning.errors import CloningError
from thesis_lib.config import digest
from thesis_lib.utils.files import fingerprint


@pytest.fixture
def film(tmp_path) -> Path:
    return muxed(tmp_path / "film.mp4", spoken(0, RATE), "aac", picture=True)


@pytest.mark.parametrize("suffix", [".mp4", ".MKV"])
def test_a_film_keeps_its_picture_and_has_english_and_subtitles(stages, film, tmp_path, suffix):
    target, plain = tmp_path / f"film.en{suffix}", tmp_path / "plain.wav"
    made = clone_file(pipeline(stages), film, target, Request(subtitles=True, consent="Ana"))
    clone_file(pipeline(stages), film, plain)
    with av.open(str(target)) as container:
        assert len(container.streams.video) == len(container.streams.audio) == 1
        assert [track.language for track in container.streams.subtitles] == ["spa", "eng"]
        assert "Consent: Ana" in str(container.metadata)
        text = b"".join(bytes(packet) for packet in container.demux(container.streams.subtitles[1]))
    assert b"hello my friend" in text
    assert len(made.subtitles) == 4
    wav, reference = read_audio(target, HZ)[0], read_audio(plain, HZ)[0]
    assert len(wav) == pytest.approx(len(reference), abs=0.1 * HZ)
    assert np.sqrt(np.mean(wav**2)) == pytest.approx(np.sqrt(np.mean(reference**2)), rel=0.1)
    assert [note for note in made.notes if "s after the picture; --fit makes it shorter" in note]  # of 0.2 s
    assert {path.suffix for path in tmp_path.iterdir()} == {".mp4", ".wav", ".srt", ".vtt", suffix}


def test_the_english_is_added_where_it_is_asked_for(stages, film, tmp_path):
    clone_file(pipeline(stages), film, tmp_path / "both.mkv", Request(add_track=True))
    with av.open(str(tmp_path / "both.mkv")) as container:
        assert [track.language for track in container.streams.audio][1:] == ["eng"]


def test_a_film_with_a_script(stages, film, tmp_path):
    request = Request(script=tmp_path / "film.json")
    clone_file(pipeline(stages), film, tmp_path / "film.en.mp4", request)
    tree = json.loads((tmp_path / "film.json").read_text())
    tree["segments"][0]["english"] = "something else"
    (tmp_path / "film.json").write_text(json.dumps(tree))
    assert clone_file(pipeline(stages), film, tmp_path / "film.en.mp4", request).translation == "something else"


def test_what_cannot_be_cloned_to_a_film_is_refused_and_an_earlier_one_stays(stages, film, recording, tmp_path):
    target = tmp_path / "out.mp4"
    target.write_bytes(b"earlier")
    silent = muxed(tmp_path / "silent.mp4", spoken(0, RATE), "aac", picture=True, sound=False)
    empty = muxed(tmp_path / "empty.mkv", np.zeros(0, np.float32), "aac", picture=True)
    quiet = muxed(tmp_path / "quiet.mp4", np.zeros(RATE, np.float32), "aac", picture=True)
    for source, message in (
        (silent, r"silent\.mp4: no audio"),
        (empty, r"empty\.mkv: (zero length|no audio)"),
        (quiet, r"quiet\.mp4: no speech"),
        (recording, r"voz\.wav: no picture"),
    ):
        with pytest.raises(AudioError, match=message):
            clone_file(pipeline(stages), source, target)
    with pytest.raises(CloningError, match=r"film\.mp4 is the input"):
        clone_file(pipeline(stages), film, film)
    with pytest.raises(CloningError, match="--add-track is for a video"):
        check_target(film, tmp_path / "a.wav", add_track=True)
    assert target.read_bytes() == b"earlier"
    assert {path.name for path in tmp_path.iterdir()} == {"out.mp4", "silent.mp4", "empty.mkv", "quiet.mp4", "film.mp4"}


@pytest.mark.parametrize(("suffix", "codec"), CODECS.items())
def test_silence_is_one_clear_line_in_every_container(stages, tmp_path, suffix, codec):
    rate = 44_100 if suffix == "flv" else RATE
    source = muxed(tmp_path / f"quiet.{suffix}", np.zeros(rate, np.float32), codec, rate)
    target = tmp_path / "out.wav"
    target.write_bytes(b"earlier")
    with pytest.raises(AudioError, match=rf"quiet\.{suffix}: no speech; no voice was detected.*") as caught:
        clone_file(pipeline(stages), source, target)
    assert "\n" not in str(caught.value)
    assert target.read_bytes() == b"earlier"
    assert len(list(tmp_path.iterdir())) == 2


def test_options_of_one_film_are_refused_for_a_folder_and_the_keys_of_earlier_tables_hold(tmp_path, film):
    with pytest.raises(CloningError, match="--add-track is for one recording"):
        clone_folder(
            tmp_path, tmp_path.with_name("out"), FolderSettings("default", PLAIN, Request(add_track=True)), make=make
        )
    asked = {"text": None, "content": None, "voice_from": [], "emotion_from": None, "emotion_mix": 1.0, "adapt": 0.0}
    asked |= {"subtitles": False, "consent": ""}
    config = PLAIN.model_dump(mode="json", exclude=PLAIN.unused())
    earlier = digest([fingerprint(film), "the vocoder's", config, asked, ".wav"])
    assert FolderSettings("default", PLAIN, Request()).key(film, "the vocoder's") == earlier


def test_the_command_passes_script_and_track_on(film, tmp_path, monkeypatch, capsys):
    asked = asked_by_command(monkeypatch)
    monkeypatch.setattr(sys, "argv", ["thesis", "clone", str(film), str(tmp_path / "b.mkv"), "--add-track"])
    sys.argv += ["--script", str(tmp_path / "s.json"), "--subtitles"]
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    assert asked["request"] == Request(subtitles=True, script=tmp_path / "s.json", add_track=True)
    assert "s.json: edit it and repeat the command" in capsys.readouterr().err
    (tmp_path / "s.json").write_text("{}")
    monkeypatch.setattr(cloning, "build", lambda *given, **named: pytest.fail("models were loaded"))
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
    assert "s.json, segments: Field required" in capsys.readouterr().err
