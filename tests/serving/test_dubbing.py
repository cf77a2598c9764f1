"""A recording through the page's server: uploaded, spoken, edited, spoken again, saved."""

import io
import json
import time

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, pipeline
from containers import RATE, encoded, muxed
from films import film
from helpers import spoken
from served import error

from thesis_lib.audio.files import write_audio
from thesis_lib.audio.video import is_video
from thesis_lib.cloning import Request, clone_file
from thesis_lib.serving.playable import is_played


def samples(client, session, name="english"):
    return soundfile.read(io.BytesIO(client("GET", f"{session}/files/{name}").content), dtype="int16")[0]


@pytest.fixture
def said(server):
    """The texts that were synthesised since the test began."""
    server.pipeline.synthesizer.said.clear()
    return lambda: [text for text, *_ in server.pipeline.synthesizer.said]


def test_a_recording_is_spoken_as_the_command_speaks_it(client, stages, recording, tmp_path):
    session = client.open(recording)
    state = client.speak(session, consent="Ana")
    assert state["job"]["stages"] == dict.fromkeys(("read", "voice", "translate", "speak", "write"), 1.0)
    assert state["made"]["clone"]["translation"] == "hello my friend hello my friend"
    assert state["files"] == {
        "source": "voz.wav", "english": "voz.en.wav", "script.json": "voz.script.json", "script.srt": "voz.script.srt",
        "subtitles.es.srt": "voz.es.srt", "subtitles.es.vtt": "voz.es.vtt",
        "subtitles.en.srt": "voz.en.srt", "subtitles.en.vtt": "voz.en.vtt",
    }  # fmt: skip
    clone_file(pipeline(stages), recording, tmp_path / "out.wav", Request(script=tmp_path / "out.json"))
    english = samples(client, session)
    assert np.array_equal(english, soundfile.read(tmp_path / "out.wav", dtype="int16")[0])
    assert client("GET", f"{session}/files/source").content == recording.read_bytes()
    assert "Consent: Ana" in soundfile.SoundFile(io.BytesIO(client("GET", f"{session}/files/english").content)).comment
    lines = client("GET", f"{session}/files/script.json").json()["segments"]
    places = state["made"]["places"]
    assert [place["source"] for place in places] == [line["start"] for line in lines]
    for place in places:  # where the page says that a line is spoken there is speech, and before it there is none
        start, end = round(place["start"] * HZ), round(place["end"] * HZ)
        assert np.abs(english[start:end]).max() > 1000
        assert np.abs(english[start - 1000 : start]).max() == 0


def test_only_a_changed_line_is_spoken_again(client, recording, said):
    session = client.open(recording)
    state = client.speak(session)
    assert state["is_spoken"]
    before, script = samples(client, session), client("GET", f"{session}/files/script.json").json()
    assert len(said()) == 2
    script["segments"][1] |= {"english": "goodbye for ever and ever", "speed": 1.1}
    state = client("PUT", f"{session}/script", data=json.dumps(script)).json()
    assert not state["is_spoken"]
    assert client("POST", f"{session}/export", json={"format": ".mp3"}).status_code == 409  # another script is spoken
    state = client.speak(session)
    assert said()[2:] == ["goodbye for ever and ever"]
    assert "translate" not in state["job"]["stages"]
    assert "script.json: the English is the script's: 1 segments from the cache, 1 synthesised" in state["job"]["notes"]
    after, start = samples(client, session), round(state["made"]["places"][1]["start"] * HZ)
    assert np.array_equal(before[:start], after[:start])
    assert not np.array_equal(before, after)


def test_a_script_in_srt_can_be_loaded_and_discarded(client, recording, said):
    session = client.open(recording)
    state = client(
        "PUT", f"{session}/script", params={"name": "mío.srt"}, data=b"1\n00:00:01,500 --> 00:00:02,500\nHi\n"
    )
    assert state.json()["files"]["script.srt"] == "voz.script.srt"
    client.speak(session)
    assert said() == ["Hi"]
    assert client("DELETE", f"{session}/script").json()["script"] == ""
    client.speak(session)
    assert said()[1:] == ["hello my friend", "hello my friend"]


def test_a_loaded_script_keeps_its_times_where_the_audio_begins_late(client, tmp_path):
    late = film(tmp_path / "late.mkv", seconds=4.0, delay=1.0)
    session = client.open(late)
    lines = [{"start": 1.5, "end": 2.5, "english": "Hi"}]
    assert client("PUT", f"{session}/script", data=json.dumps({"segments": lines})).status_code == 200
    (found,) = client("GET", f"{session}/files/script.json").json()["segments"]
    assert (found["start"], found["end"]) == pytest.approx((1.5, 2.5))
    assert "00:00:01,500 --> 00:00:02,500" in client("GET", f"{session}/files/script.srt").text


def test_where_the_audio_begins_late_lines_are_played_at_their_places(client, tmp_path):
    late = film(tmp_path / "late.mkv", [spoken(0, 48_000)], seconds=5.0, delay=1.0)
    session = client.open(late)
    state = client.speak(session)
    lines = client("GET", f"{session}/files/script.json").json()["segments"]
    assert [place["source"] for place in state["made"]["places"]] == [line["start"] for line in lines]
    assert lines[0]["start"] == state["made"]["places"][0]["start"] + 1
    played = samples(client, session, "source")
    start = round(lines[0]["start"] * 48_000)
    assert np.abs(played[: 48_000 - 100]).max() == 0
    assert np.abs(played[start : start + 48_000]).max() > 1000


def test_subtitles_of_an_earlier_job_are_not_offered(client, recording):
    session = client.open(recording)
    assert "subtitles.es.srt" in client.speak(session)["files"]
    client("PUT", f"{session}/script", params={"name": "a.srt"}, data=b"1\n00:00:01,000 --> 00:00:02,000\nHi\n")
    files = client.speak(session)["files"]
    assert [name for name in files if name.startswith("subtitles")] == ["subtitles.en.srt", "subtitles.en.vtt"]
    assert not list(client.server.root.rglob("voz.es.*"))


def test_a_cancelled_job_leaves_what_was_made_before(client, recording):
    session = client.open(recording)
    client.speak(session)
    client("POST", f"{session}/export", json={"format": ".mp3"})
    files = client.wait(session)["files"]
    client.server.pipeline.synthesizer.hold()
    client("POST", f"{session}/speak", json={"style_strength": 0.5, "fit": True})
    assert client.server.pipeline.synthesizer.is_waiting.wait(30)
    client("DELETE", f"{session}/speak")
    client.server.pipeline.synthesizer.release()
    assert client.wait(session, until=("cancelled",))["files"] == files
    for name in files:
        assert client("GET", f"{session}/files/{name}").status_code == 200


def test_only_what_was_spoken_is_exported(client, recording):
    session = client.open(recording)
    client.speak(session)
    client("PUT", f"{session}/recordings/voice", params={"name": "a.wav"}, data=recording.read_bytes())
    answer = client("POST", f"{session}/export", json={"format": ".mp3"})
    assert "the recordings of the options have changed" in error(answer, 409)
    client("DELETE", f"{session}/recordings/voice")
    assert client("POST", f"{session}/export", json={"format": ".mp3"}).status_code == 202
    client.wait(session)


def test_what_was_spoken_is_saved_in_other_formats_without_any_synthesis(client, recording, said, tmp_path):
    film = muxed(tmp_path / "película.mp4", spoken(0, RATE), "aac", picture=True)
    session = client.open(film)
    assert client("GET", session).json()["source"]["is_video"]
    client.speak(session)
    spoken_texts = said()
    for suffix, track in ((".mp3", False), (".mkv", True)):
        answer = client("POST", f"{session}/export", json={"format": suffix, "add_track": track})
        assert answer.status_code == 202, answer.text
        state = client.wait(session)
        assert state["files"][f"export{suffix}"] == f"película.en{suffix}"
        saved = client("GET", f"{session}/files/export{suffix}?download")
        assert saved.headers["Content-Disposition"] == f"attachment; filename*=UTF-8''pel%C3%ADcula.en{suffix}"
        (tmp_path / f"saved{suffix}").write_bytes(saved.content)
    assert said() == spoken_texts
    english = samples(client, session)
    assert len(soundfile.read(tmp_path / "saved.mp3")[0]) == pytest.approx(len(english), abs=0.1 * HZ)
    import av

    with av.open(str(tmp_path / "saved.mkv")) as made:
        assert [len(made.streams.video), len(made.streams.audio), len(made.streams.subtitles)] == [1, 2, 2]
    assert is_video(tmp_path / "saved.mkv")
    client("PUT", f"{session}/recordings/voice", params={"name": "a.wav"}, data=recording.read_bytes())
    state = client.speak(session)
    assert not [name for name in state["files"] if name.startswith("export")], "they had another voice"


def test_the_options_are_the_commands(client, recording, said, tmp_path):
    session = client.open(recording)
    client.speak(session, text="good morning to everybody", fit=True, voice="bf_emma", language="es")
    assert said() == ["good morning to everybody"]
    assert client.server.pipeline.synthesizer.said[-1][1] == "bf_emma"
    assert "script.json" not in client("GET", session).json()["files"]
    before = samples(client, session)
    write_audio(tmp_path / "voice.wav", spoken(4), HZ)
    for name in ("voz 1.wav", "../../voz 2.wav"):
        client("PUT", f"{session}/recordings/voice", params={"name": name}, data=(tmp_path / "voice.wav").read_bytes())
    client("PUT", f"{session}/recordings/style", params={"name": "s.wav"}, data=recording.read_bytes())
    state = client.speak(session, text="good morning to everybody", emotion_mix=0.5)
    assert state["recordings"] == {"voice": ["voz 1.wav", "voz 2.wav"], "style": ["s.wav"], "content": []}
    assert not np.array_equal(before, samples(client, session))
    assert client("DELETE", f"{session}/recordings/voice").json()["recordings"]["voice"] == []
    client("PUT", f"{session}/recordings/content", params={"name": "c.wav"}, data=recording.read_bytes())
    count = len(said())
    client.speak(session)
    assert len(said()) == count, "a given recording is not synthesised"
    answer = client("POST", f"{session}/speak", json={"text": "both"})
    assert answer.status_code == 400
    assert "give one of them" in answer.json()["error"]


def test_adaptation_reports_its_time_and_writes_into_the_session(client, recording, monkeypatch):
    folders, shares = [], []

    def adapter(recordings, folder, vocoder, minutes, progress):
        folders.append(folder)
        assert recordings[0].name == "voz.wav"
        (session,) = client.server.sessions._open.values()
        for label in ("embed", "train conversion"):
            for _ in progress(range(2), 9999, label):
                shares.append(session.job.stages["adapt"])
                time.sleep(0.3 * 60 * minutes)
        return client.server.pipeline.vocoder

    monkeypatch.setattr(client.server, "adapter", adapter)
    state = client.speak(client.open(recording), adapt=0.02)
    assert shares[:3] == [pytest.approx(0, abs=0.01)] * 3
    assert shares[3] >= 0.3
    assert state["job"]["stages"]["adapt"] == 1
    assert folders[0].is_relative_to(client.server.root)


def test_progress_is_that_of_the_stages(client, recording):
    session, translator = client.open(recording), client.server.pipeline.translator
    translator.hold()
    client("POST", f"{session}/speak", json={})
    assert translator.is_waiting.wait(30)
    job = client("GET", session).json()["job"]
    assert job["stages"] == {"read": 1, "voice": 1, "translate": 0, "speak": 0, "write": 0}
    assert job["segments"] == []
    assert client("PUT", f"{session}/script", data=b"{}").status_code == 409
    assert client("POST", f"{session}/speak", json={}).status_code == 409
    assert client("DELETE", f"{session}/speak").status_code == 200
    translator.release()
    state = client.wait(session, until=("cancelled",))
    assert state["job"]["stages"]["speak"] < 1
    assert state["made"] is None
    translator.hold(after=1)
    client("POST", f"{session}/speak", json={})
    for _ in range(400):
        state = client("GET", session).json()
        if state["job"]["stages"]["speak"] > 0:
            break
        time.sleep(0.05)
    (segment,) = state["job"]["segments"]
    share = pytest.approx(segment["end"] / state["source"]["seconds"])
    assert state["job"]["stages"] == {"read": 1, "voice": 1, "translate": share, "speak": share, "write": 0}
    translator.release()
    assert client.wait(session)["made"], "a cancelled job can be repeated"


def test_the_segments_are_shown_while_they_are_translated(client, recording):
    session = client.open(recording, "train talk.wav")  # also a name that begins as the label of a training
    job = client.speak(session)["job"]
    assert [segment["english"] for segment in job["segments"]] == ["hello my friend"] * 2
    assert job["segments"][0]["start"] > 0.5


def test_a_format_that_no_browser_plays_is_converted_to_be_played(client, recording, tmp_path):
    wav = soundfile.read(recording, dtype="int16")[0]
    soundfile.write(tmp_path / "voz.aiff", wav, HZ)
    session = client.open(tmp_path / "voz.aiff")
    assert client("GET", session).json()["files"] == {}
    assert client.speak(session)["files"]["source"] == "voz.flac"
    assert np.array_equal(samples(client, session, "source"), wav)


def test_a_codec_that_no_browser_plays_is_converted_to_be_played(client, recording, tmp_path):
    wav = soundfile.read(recording, dtype="float32")[0]
    session = client.open(muxed(tmp_path / "voz.m4a", wav, "alac", HZ))
    assert client("GET", session).json()["files"] == {}
    assert client.speak(session)["files"]["source"] == "voz.flac"
    assert np.array_equal(samples(client, session, "source"), np.round(wav * 32767).astype(np.int16))


def test_what_browsers_play_is_told_by_its_codecs(tmp_path):
    wav = np.zeros(RATE // 2, np.float32)
    played = [muxed(tmp_path / name, wav, codec) for name, codec in (("a.m4a", "aac"), ("a.webm", "libopus"))]
    played += [tmp_path / f"a.{suffix}" for suffix in ("wav", "mp3", "ogg", "opus", "flac")]
    for path in played[2:]:
        encoded(path, wav)
    converted = [muxed(tmp_path / name, wav, codec) for name, codec in (("b.mp4", "ac3"), ("b.mov", "pcm_s16le"))]
    converted += [muxed(tmp_path / "b.mka", wav, "aac"), film(tmp_path / "old.mp4", seconds=0.5)]  # MPEG-4 part 2
    converted += [film(tmp_path / "two.m4a", [wav, wav], picture=None), tmp_path / "alaw.wav", tmp_path / "no.wav"]
    soundfile.write(tmp_path / "alaw.wav", wav, RATE, subtype="ALAW")
    (tmp_path / "no.wav").write_bytes(b"RIFFnothing")
    assert [path.name for path in (*played, *converted) if is_played(path)] == [path.name for path in played]
