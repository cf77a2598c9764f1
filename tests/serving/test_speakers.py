"""Several speakers and the background on the dubbing page, as `thesis clone --speakers --background` has them."""

import json
import threading

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ, PLAIN, ByLevel, pipeline, write_dialogue
from served import choose, error, needs_chromium, says, speak, state_of

from thesis_lib import pretrained
from thesis_lib.cloning import Request, clone_file, files

NAMES = {"1": "Ana", "2": "Luis"}


@pytest.fixture(scope="module")
def networks(stages):
    return ByLevel(stages[0]), *stages[1:]


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory):
    return write_dialogue(tmp_path_factory.mktemp("dialogue") / "talk.wav", noise=1e-3)


@pytest.fixture
def session(client, dialogue):
    return client.open(dialogue)


def script_of(client, session):
    return client("GET", f"{session}/files/script.json").json()


def shown(client, session, name="subtitles.en.srt"):
    """The texts of subtitles that have the name of a speaker."""
    lines = client("GET", f"{session}/files/{name}").text.splitlines()
    return [line for line in lines if ": " in line and "-->" not in line]


def test_every_speaker_has_a_voice_as_the_command_gives_it(client, session, dialogue, networks, tmp_path):
    state = client.speak(session, speakers="auto", background="keep")
    assert list(state["job"]["stages"]) == ["read", "speakers", "voice", "translate", "speak", "write"]
    assert state["made"]["clone"]["speakers"] == 2
    assert state["made"]["speakers"] == "auto"
    config, notes = PLAIN.model_copy(update={"background": "keep"}), []
    request = Request(script=tmp_path / "script.json", speakers="auto", subtitles=True)
    clone_file(pipeline(networks, config), dialogue, tmp_path / "talk.wav", request, notes.append)
    assert client("GET", f"{session}/files/english").content == (tmp_path / "talk.wav").read_bytes()
    assert script_of(client, session) == json.loads(request.script.read_text())
    assert state["job"]["notes"] == [note.replace(f"{dialogue.parent}/", "") for note in notes]
    assert state["job"]["notes"][0].startswith("talk.wav: speakers: 1 (6")
    assert shown(client, session) == [f"Speaker {label}: hello my friend" for label in "121"]
    state = client.speak(session, speakers="auto")
    assert "script.json: the English is the script's: 3 segments from the cache, 0 synthesised" in state["job"]["notes"]
    samples = soundfile.read(tmp_path / "talk.wav")[0]
    (tmp_path / "plain.wav").write_bytes(client("GET", f"{session}/files/english").content)
    assert np.abs(samples[:HZ]).max() > 0
    start = round(state["made"]["places"][2]["start"] * HZ)
    assert np.abs(samples[start - 1000 : start]).max() > 0
    assert np.abs(soundfile.read(tmp_path / "plain.wav")[0][start - 1000 : start]).max() == 0


def test_a_corrected_speaker_and_given_names_reach_script_and_subtitles(client, session, dialogue):
    client.speak(session, speakers="2")
    script = script_of(client, session)
    script["segments"][2]["speaker"] = "2"
    script["speakers"] = NAMES
    assert client("PUT", f"{session}/script", data=json.dumps(script)).status_code == 200
    assert script_of(client, session) == script
    count = len(client.server.pipeline.synthesizer.said)
    client.speak(session, speakers="2")
    assert len(client.server.pipeline.synthesizer.said) == count + 1
    for kind, text in (("en.srt", "hello my friend"), ("es.vtt", "hola amigo")):
        assert shown(client, session, f"subtitles.{kind}") == [f"{name}: {text}" for name in ("Ana", "Luis", "Luis")]
    saved = client("GET", f"{session}/files/script.json").content
    other = client.open(dialogue)
    client("PUT", f"{other}/script", params={"name": "talk.script.json"}, data=saved)
    assert client("GET", f"{other}/files/script.json").content == saved
    client.speak(other, speakers="auto")
    assert client("GET", f"{other}/files/script.json").content == saved
    assert shown(client, other) == shown(client, session)


SUBTITLES = (
    "1\n00:00:00,500 --> 00:00:02,000\none\n\n2\n00:00:04,000 --> 00:00:06,000\ntwo\n\n"
    "3\n00:00:07,000 --> 00:00:08,000\nthree\n"
)


def test_the_lines_of_an_srt_script_get_the_speakers_that_are_found(client, session, monkeypatch):
    analysed, analyse = [], files.speakers_of_recording

    def spy(*given):
        found = analyse(*given)
        analysed.append(len(found.by_label))
        return found

    monkeypatch.setattr(files, "speakers_of_recording", spy)
    client("PUT", f"{session}/script", params={"name": "film.srt"}, data=SUBTITLES)
    assert [line["speaker"] for line in script_of(client, session)["segments"]] == [None] * 3
    state = client.speak(session, speakers="auto")
    assert [line["speaker"] for line in script_of(client, session)["segments"]] == ["1", "2", "1"]
    assert state["is_spoken"]
    assert state["made"]["clone"]["speakers"] == 2
    assert any("no speech at 7.0-8.0 s" in note for note in state["job"]["notes"])
    assert shown(client, session) == ["Speaker 1: one", "Speaker 2: two", "Speaker 1: three"]
    saved = client("GET", f"{session}/files/script.srt").text
    assert [line for line in saved.splitlines() if ": " in line] == shown(client, session)
    count = len(client.server.pipeline.synthesizer.said)
    client.speak(session, speakers="auto")
    assert len(client.server.pipeline.synthesizer.said) == count, "no line is spoken again"
    client("PUT", f"{session}/script", params={"name": "film.srt"}, data=SUBTITLES)
    client.speak(session, speakers="auto", language="es")
    assert analysed.count(2) == 2, "once for each setting of the language"
    assert client("POST", f"{session}/export", json={"format": ".flac"}).status_code == 202
    client.wait(session)


def test_an_srt_script_with_the_names_of_the_session_keeps_the_speakers(client, session):
    client.speak(session, speakers="2")
    script = script_of(client, session)
    client("PUT", f"{session}/script", data=json.dumps(script | {"speakers": NAMES}))
    saved = client("GET", f"{session}/files/script.srt").text
    assert saved.count("Ana: hello my friend") == 2
    changed = saved.replace("Ana: hello", "Luis: goodbye", 1)
    client("PUT", f"{session}/script", params={"name": "a.srt"}, data=changed.encode())
    loaded = script_of(client, session)
    assert [(x["speaker"], x["english"].split()[0]) for x in loaded["segments"]] == [
        ("2", "goodbye"), ("2", "hello"), ("1", "hello"),
    ]  # fmt: skip
    assert loaded["speakers"] == NAMES
    english = client("GET", f"{session}/files/english").content
    for name, data, place in (
        ("a.srt", changed.replace("--> 00", "--> -00", 1).encode(), "line 2"),
        ("a.srt", changed.replace("goodbye", "adiós").encode("latin-1"), "line 3"),
        ("a.json", json.dumps(script | {"segments": script["segments"][::-1]}), "segment 2"),
    ):
        refused = client("PUT", f"{session}/script", params={"name": name}, data=data)
        assert error(refused, 400).startswith(f"{name}, {place}")
        assert script_of(client, session) == loaded
        assert client("GET", f"{session}/files/english").content == english


@pytest.mark.parametrize("speakers", ["0", "-1", "21", "two", "1.5", ""])
def test_a_number_of_speakers_that_is_none_is_refused(client, session, speakers):
    answer = client("POST", f"{session}/speak", json={"speakers": speakers})
    assert error(answer, 400) == f"--speakers {speakers}: give auto, or a number from 1 to 20"


def test_other_wrong_choices_are_refused(client, session):
    answer = client("POST", f"{session}/speak", json={"speakers": "2", "text": "hello"})
    assert error(answer, 400).startswith("--speakers 2 gives each speaker a voice")
    assert error(client("POST", f"{session}/speak", json={"background": "loud"}), 400).startswith("background: ")
    client("POST", f"{session}/speak", json={"speakers": "5"})
    job = client.wait(session, until=("failed",))["job"]
    assert job["error"].startswith("talk.wav: 5 speakers cannot be told apart")


@pytest.mark.parametrize(
    ("speakers", "remedy"), [("1", "write '1', or give --speakers auto"), ("auto", "write one of '1', '2'")]
)
def test_a_script_with_an_unknown_speaker_fails_as_the_commands(client, session, speakers, remedy):
    script = {"segments": [{"start": 0, "end": 1, "english": "hi", "speaker": "7"}]}
    client("PUT", f"{session}/script", data=json.dumps(script))
    client("POST", f"{session}/speak", json={"speakers": speakers})
    job = client.wait(session, until=("failed",))["job"]
    assert job["error"] == f"script.json, segment 1: the speaker '7' is unknown: {remedy}"


def test_the_search_for_speakers_can_be_cancelled(client, session, networks, monkeypatch):
    waits, goes_on, encode = threading.Event(), threading.Event(), networks[0].encode

    def held(wav):
        waits.set()
        assert goes_on.wait(30)
        return encode(wav)

    monkeypatch.setattr(networks[0], "encode", held)
    client("POST", f"{session}/speak", json={"speakers": "auto"})
    assert waits.wait(30)
    assert client("DELETE", f"{session}/speak").status_code == 200
    goes_on.set()
    job = client.wait(session, until=("cancelled",))["job"]
    assert job["stages"]["voice"] == 0


@pytest.mark.pages
@needs_chromium
@pytest.mark.weights("axe-core")
def test_two_speakers_on_the_page(opened, server, dialogue, tmp_path):
    page = opened(bypass_csp=True)
    choose(page, dialogue)
    page.locator("#options summary").click()
    page.get_by_label("Number of speakers").select_option("auto")
    page.get_by_label("Keep the background").check()
    speak(page)
    assert state_of(page)["options"] | {"speakers": "auto", "background": "keep"} == state_of(page)["options"]
    says(page, "talk.wav: speakers: 1 (6", "#notes li:visible")
    rows = page.locator("#segments .segment")
    selects = rows.locator("select.speaker")
    assert [selects.nth(at).input_value() for at in range(3)] == ["1", "2", "1"]
    assert selects.first.locator("option").all_inner_texts() == ["Speaker 1", "Speaker 2"]
    assert page.locator("#speakers-hint").inner_text() == ""

    page.get_by_label("Speaker, segment 3").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#speak").inner_text() == "Speak again (1 changed segment)"
    page.add_script_tag(path=pretrained.fetch("axe-core") / "axe.min.js")
    found = page.evaluate("() => axe.run({resultTypes: ['violations']}).then(result => result.violations)")
    assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found] == []
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    page.locator("#speak-below").click()
    page.locator("#speak:enabled", has_text="Speak again").filter(has_not_text="changed").wait_for()
    says(page, "2 segments from the cache, 1 synthesised", "#notes")

    with page.expect_download() as saved:
        page.locator("#files a", has_text="talk.script.json").click()
    script = json.loads(saved.value.path().read_text())
    assert [line["speaker"] for line in script["segments"]] == ["1", "2", "2"]
    (tmp_path / "named.json").write_text(json.dumps(script | {"speakers": NAMES}))
    page.locator("#script-file").set_input_files(tmp_path / "named.json")
    selects.first.locator("option", has_text="Luis").wait_for(state="attached")
    assert selects.nth(2).locator("option:checked").inner_text() == "Luis"
    page.get_by_label("Number of speakers").select_option("1")
    says(page, "The segments have several speakers: choose their number", "#speakers-hint")
    page.locator("#speak").click()
    says(page, "Not done: script.json, segment 2: the speaker '2' is unknown: write '1', or give --speakers auto")
    page.get_by_label("Number of speakers").select_option("2")
    page.locator("#speak").click()
    says(page, "The English is ready.")
    with page.expect_download() as saved:
        page.locator("#files a", has_text="talk.en.srt").click()
    assert "Luis: hello my friend" in saved.value.path().read_text()

    page.reload()
    page.locator("#segments .segment").first.wait_for()
    assert page.locator("[name=speakers]").input_value() == "2"
    assert page.locator("[name=background]").is_checked()


@pytest.mark.pages
@needs_chromium
def test_a_script_of_one_speaker_says_how_to_find_the_others(opened, server, dialogue, tmp_path):
    page = opened()
    choose(page, dialogue)
    speak(page)
    assert page.locator("select.speaker:visible").count() == 0
    page.locator("#options summary").click()
    page.get_by_label("Number of speakers").select_option("2")
    says(page, "All segments have one speaker: discard the script and translate again", "#speakers-hint")
    page.locator("#anew").click()
    page.locator("select.speaker:visible").first.wait_for()
    assert page.locator("#speakers-hint").inner_text() == ""


@pytest.mark.pages
@needs_chromium
def test_the_speakers_of_an_srt_script_are_shown_once_they_are_found(opened, server, dialogue, tmp_path):
    page = opened()
    choose(page, dialogue)
    (tmp_path / "film.srt").write_text(SUBTITLES)
    page.locator("#options summary").click()
    page.get_by_label("Number of speakers").select_option("2")
    page.locator("#script-file").set_input_files(tmp_path / "film.srt")
    page.locator("#segments .segment").nth(2).wait_for()
    assert page.locator("#speakers-hint").inner_text() == ""
    page.get_by_label("English, segment 1").fill("edited before it is spoken")
    speak(page)
    selects = page.locator("#segments select.speaker")
    assert [selects.nth(at).input_value() for at in range(3)] == ["1", "2", "1"]
    page.locator("#script-file").set_input_files(tmp_path / "film.srt")
    selects.first.locator("option", has_text="who speaks then").wait_for(state="attached")
    assert [selects.nth(at).input_value() for at in range(3)] == [""] * 3
    selects.nth(1).select_option("1")
    page.locator("#speak-below").click()
    page.locator("#speak:enabled", has_text="Speak again").filter(has_not_text="changed").wait_for()
    assert [selects.nth(at).input_value() for at in range(3)] == ["1", "1", "1"]
