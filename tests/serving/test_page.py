"""The dubbing page in a browser: `pytest -m pages tests/serving`."""

import time

import numpy as np
import pytest
import soundfile
from cloning_stages import HZ
from served import Client, choose, needs_chromium, says, speak, state_of

from thesis_lib import pretrained
from thesis_lib.audio.files import write_audio
from thesis_lib.serving import sessions

pytestmark = [pytest.mark.pages, needs_chromium]


def english_advances(page, from_):
    end = time.monotonic() + 10
    while page.locator("#english").evaluate("audio => audio.currentTime") <= from_:
        assert time.monotonic() < end
        page.wait_for_timeout(50)


def test_a_file_is_dropped_spoken_corrected_and_saved(opened, server, recording, tmp_path):
    page, translator, said = opened(), server.pipeline.translator, server.pipeline.synthesizer.said
    translator.hold()
    data = page.evaluate_handle(
        """numbers => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(numbers)], "mi voz.wav"));
            return data;
        }""",
        list(recording.read_bytes()),
    )
    page.dispatch_event("#drop", "drop", {"dataTransfer": data})
    says(page, "mi voz.wav", "#work-title")
    page.locator("#consent").fill("Ana")
    page.locator("#speak").click()
    says(page, "Recognise and translate…")
    shares = page.locator("#stages .share").all_inner_texts()
    assert shares == ["100 %", "100 %", "0 %", "0 %", "0 %"]
    assert page.locator("#speak").is_disabled()
    translator.release()
    says(page, "The English is ready.")
    rows = page.locator("#segments .segment")
    assert rows.count() == 2
    assert rows.locator(".spanish").all_inner_texts() == ["hola amigo"] * 2
    assert rows.locator(".english").first.input_value() == "hello my friend"

    start = page.locator("#english").evaluate("audio => audio.currentTime")
    rows.nth(1).locator(".play-english").click()
    english_advances(page, start)
    place = state_of(page)["made"]["places"][1]
    assert page.locator("#english").evaluate("audio => audio.currentTime") >= place["start"]
    while not page.locator("#english").evaluate("audio => audio.paused"):
        page.wait_for_timeout(50)
    assert page.locator("#english").evaluate("audio => audio.currentTime") < place["end"] + 0.6
    rows.nth(0).locator(".play-source").click()
    page.wait_for_timeout(300)
    assert page.locator("#source").evaluate("audio => audio.currentTime") > 0.5

    count = len(said)
    rows.nth(1).locator(".english").fill("goodbye <b>Ana</b> & co")
    assert page.locator("#speak").inner_text() == "Speak again (1 changed segment)"
    page.locator("#speak-below").click()
    page.locator("#speak:enabled", has_text="Speak again").filter(has_not_text="changed").wait_for()
    assert [text for text, *_ in said[count:]] == ["goodbye <b>Ana</b> & co"]
    assert "1 segments from the cache, 1 synthesised" in page.locator("#notes").text_content()

    with page.expect_download() as saved:
        page.locator("#files a", has_text="mi voz.en.wav").click()
    saved.value.save_as(tmp_path / saved.value.suggested_filename)
    with soundfile.SoundFile(tmp_path / "mi voz.en.wav") as stream:
        assert "Consent: Ana" in stream.comment
    page.locator("#export select").select_option(label="mp3")
    page.locator("#export button").click()
    says(page, "The file is ready.")
    with page.expect_download() as saved:
        page.locator("#files a", has_text="mi voz.en.mp3").click()
    assert saved.value.suggested_filename == "mi voz.en.mp3"


def test_an_edit_survives_an_export_and_a_line_can_be_left_out(opened, server, recording):
    page = opened()
    choose(page, recording)
    speak(page)
    row = page.locator("#segments .segment").nth(0)
    row.locator(".english").fill("an edit that is not spoken yet")
    page.locator("#export button").click()
    says(page, "The file is ready.")
    assert row.locator(".english").input_value() == "an edit that is not spoken yet"
    row.locator(".left-out").check()
    page.locator("#speak").click()
    page.locator("#speak:enabled").filter(has_not_text="changed").wait_for()
    assert row.locator(".play-english").is_disabled()
    assert page.locator("#segments .segment").nth(1).locator(".play-english").is_enabled()


def test_what_cannot_be_used_is_told_on_the_page(opened, server, recording, tmp_path):
    page = opened()
    for name, data, text in (
        ("notes.txt", b"hello", "notes.txt is no recording: choose a file of these types"),
        ("empty.wav", b"", "empty.wav is empty: choose another recording"),
        ("text.wav", b"hello" * 99, "text.wav: undecodable"),
        ("large.wav", bytes(3_000_001), "the file has 3 MB: at most 3 MB can be uploaded"),
    ):
        (tmp_path / name).write_bytes(data)
        page.locator("#file").set_input_files(tmp_path / name)
        says(page, text, "#alert")
        assert page.locator("#choose").is_visible()
    write_audio(tmp_path / "silence.wav", np.zeros(2 * HZ), HZ)
    choose(page, tmp_path / "silence.wav")
    assert page.locator("#alert").is_hidden()
    page.locator("#speak").click()
    says(page, "Not done: silence.wav: no speech")
    (tmp_path / "wrong.json").write_text('{"segments": [{"start": 0}]}')
    page.locator("#script-file").set_input_files(tmp_path / "wrong.json")
    says(page, "wrong.json, segment 1, end: Field required", "#alert")


def test_the_second_recording_waits_and_can_be_cancelled(opened, server, recording):
    first, second = opened(), opened()
    server.pipeline.translator.hold()
    choose(first, recording)
    choose(second, recording)
    first.locator("#speak").click()
    says(first, "Recognise and translate…")
    second.locator("#speak").click()
    says(second, "Waiting: one recording is worked on before yours.")
    second.locator("#cancel").click()
    says(second, "Cancelled.")
    second.locator("#speak").click()
    server.pipeline.translator.release()
    says(first, "The English is ready.")
    says(second, "The English is ready.")


def test_a_reload_keeps_the_session_and_a_closed_page_ends_it(opened, server, recording, monkeypatch):
    page = opened()
    choose(page, recording)
    speak(page)
    page.reload()
    says(page, "voz.wav", "#work-title")
    assert page.locator("#segments .segment").nth(1).locator(".english").input_value() == "hello my friend"
    assert page.locator("#speak").inner_text() == "Speak again"
    assert len([path for path in server.root.iterdir() if path.is_dir()]) == 1
    page.context.new_page()
    page.close()
    now = time.monotonic()
    time.sleep(0.5)
    monkeypatch.setattr(sessions.time, "monotonic", lambda: now + 60)
    end = time.time() + 10
    while [path for path in server.root.iterdir() if path.is_dir()]:
        assert time.time() < end
        time.sleep(0.1)


def test_a_second_file_waits_for_the_first(opened, server, recording):
    page = opened()
    drop = """numbers => {
        for (const name of ["one.wav", "two.wav"]) {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(numbers)], name));
            document.querySelector("#drop").dispatchEvent(
                new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }
    }"""
    page.evaluate(drop, list(recording.read_bytes()))
    says(page, "another file is being uploaded", "#alert")
    says(page, "one.wav", "#work-title")
    assert len(server.sessions._open) == 1


def test_a_request_without_an_answer_is_repeated(opened, server, recording):
    page, failed = opened(), []
    server.pipeline.translator.hold()
    choose(page, recording)
    page.locator("#speak").click()
    says(page, "Recognise and translate…")

    def abort(route):
        failed.append(route.request.url)
        route.abort()

    page.route("**/api/sessions/*", abort, times=1)
    says(page, "the server does not answer", "#alert")
    server.pipeline.translator.release()
    says(page, "The English is ready.")
    assert len(failed) == 1


def test_options_last_as_long_as_their_recording(opened, server, recording):
    page = opened()
    choose(page, recording)
    page.locator("#consent").fill("Ana")
    page.locator("#options summary").click()
    page.locator("[name=style_strength]").fill("0.5")
    page.locator("[name=fit]").check()
    speak(page)
    page.reload()
    page.locator("#segments .segment").first.wait_for()
    assert page.locator("#consent").input_value() == "Ana"
    assert page.locator("[name=style_strength]").input_value() == "0.5"
    assert page.locator("[name=fit]").is_checked()
    page.locator("#end").click()
    page.locator("#choose").wait_for()  # until then the closed recording is shown
    choose(page, recording)
    assert page.locator("#consent").input_value() == ""
    assert page.locator("[name=style_strength]").input_value() == "1"
    assert not page.locator("[name=fit]").is_checked()


def test_a_session_that_has_ended_is_told(opened, server, recording):
    page = opened()
    choose(page, recording)
    with Client(server) as client:
        client.opened.append(page.evaluate("sessionStorage['dubbing-session']"))
    page.locator("#speak").click()
    says(page, "this session has ended and its files are deleted", "#alert")
    assert page.locator("#choose").is_visible()


@pytest.mark.weights("axe-core")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_and_fits_a_phone(opened, server, recording, scheme):
    page = opened(bypass_csp=True, color_scheme=scheme)
    choose(page, recording)
    speak(page)
    page.locator("#options summary").click()
    page.locator("#segments .english").first.fill("changed")
    page.add_script_tag(path=pretrained.fetch("axe-core") / "axe.min.js")
    found = page.evaluate("() => axe.run({resultTypes: ['violations']}).then(result => result.violations)")
    assert [f"{v['id']}: {v['nodes'][0]['html'][:200]}" for v in found] == []
    assert page.locator("h1:visible").count() == 1
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_the_keyboard_is_enough(opened, server, recording):
    page = opened()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    choose(page, recording)
    page.locator("#speak:focus").wait_for()
    page.keyboard.press("Enter")
    says(page, "The English is ready.")
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.className || document.activeElement.id"))
    assert {"english", "play-source", "play-english", "strength", "speed", "left-out", "script-file"} <= set(seen)
