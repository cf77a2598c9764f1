import datetime
import io

import numpy as np
import pytest
import soundfile
from cloning_stages import pipeline
from helpers import spoken

from thesis_lib.reporting.book import find_chromium
from thesis_lib.reporting.panel import ClonePanel, Recorder

CHROMIUM = find_chromium()


def wav_bytes(wav: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wav, 22_050, format="WAV")
    return buffer.getvalue()


def upload(wav: np.ndarray, name: str = "voz.wav") -> tuple:
    data = wav_bytes(wav)
    when = datetime.datetime.now(datetime.UTC)
    return ({"name": name, "type": "audio/wav", "size": len(data), "content": memoryview(data), "last_modified": when},)


@pytest.fixture
def panel(stages):  # noqa: F811
    return ClonePanel(pipeline(stages))


def test_without_a_recording_it_says_what_to_do(panel):
    assert panel.translate() is None
    assert "upload a Spanish recording first" in panel.words.value
    assert not panel.go.disabled


def test_an_uploaded_recording_comes_out_side_by_side(panel):
    panel.spanish.value = upload(spoken(0))
    panel.go.click()
    assert panel.sounds.value.count("<audio") == 3
    assert "hello my friend" in panel.words.value
    assert bytes(panel.picture.value).startswith(b"\x89PNG")
    assert panel.result.encoder in panel.gauge.description


def test_a_recording_is_translated_with_the_options_of_the_sliders(panel):
    panel.recorder.wav = wav_bytes(spoken(0))
    panel.guidance.value, panel.mix.value, panel.text.value = 2.0, 0.5, "good evening"
    first = panel.translate().speaker.voice
    panel.speaking_style.value, panel.voices.value = (
        upload(spoken(3), "style.wav"),
        upload(spoken(4)) + upload(spoken(5)),
    )
    second = panel.translate().speaker.voice
    assert panel.result.translation == "good evening"
    assert not np.allclose(first.speaker, second.speaker)
    assert not np.allclose(first.emotion, second.emotion)


def test_the_error_of_an_unusable_recording_is_shown_as_text(panel):
    panel.spanish.value = upload(np.zeros(22_050), "<b>x.wav")
    assert panel.translate() is None
    assert "no speech" in panel.words.value
    assert "<b>x" not in panel.words.value


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: apt-get install chromium")
def test_the_recorder_records_in_a_browser(tmp_path):
    """The widget's script on a page, with the browser's fake microphone, which beeps once a second."""
    from playwright.sync_api import sync_playwright

    page_text = """<!doctype html><title>recorder</title><div id="here"></div><script type="module">
      import widget from "./recorder.js";
      const model = {set: (name, view) => { window.wav = [name, ...new Uint8Array(view.buffer)]; }, save_changes() {}};
      widget.render({model, el: document.getElementById("here")});
    </script>"""
    script = str(Recorder._esm)
    pages = {"/": ("text/html", page_text), "/recorder.js": ("text/javascript", script)}
    options = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=options)
        page = browser.new_page()

        def answer(route):
            kind, body = pages["/" + route.request.url.rsplit("/", 1)[1]]
            route.fulfill(content_type=kind, body=body)

        page.route("http://localhost/**", answer)  # a secure context, as microphones require
        page.goto("http://localhost/")
        button = page.get_by_role("button")
        button.click()
        page.get_by_text("Stop").wait_for()
        page.wait_for_timeout(2500)
        button.click()
        page.get_by_text("Record again").wait_for()
        name, *data = page.evaluate("window.wav")
        browser.close()
    assert name == "wav"
    wav, rate = soundfile.read(io.BytesIO(bytes(data)))
    assert 1.5 < len(wav) / rate < 4
    assert np.abs(wav).max() > 0.05
