"""A client of the dubbing page's server, and a pipeline that a test can hold."""

import socket
import tempfile
import threading
import time
from contextlib import contextmanager

import pytest
import requests
from cloning_stages import pipeline

from thesis_lib.reporting.book import find_chromium

needs_chromium = pytest.mark.skipif(not find_chromium(), reason="no Chromium here: apt-get install chromium")


class Held:
    """A stage that a test can stop before one of its calls."""

    def __init__(self, stage):
        self.stage, self.gate, self.left, self.is_waiting = stage, threading.Event(), 0, threading.Event()
        self.release()

    def __getattr__(self, name):
        return getattr(self.stage, name)

    def hold(self, after=0):
        """Stop the stage after so many calls."""
        self.left = after
        self.is_waiting.clear()
        self.gate.clear()

    def release(self):
        self.gate.set()

    def __call__(self, *given, **named):
        if not self.gate.is_set() and not self.left:
            self.is_waiting.set()
            assert self.gate.wait(30)
        self.left = max(0, self.left - 1)
        return self.stage(*given, **named)


def slow_pipeline(stages):
    """The tiny pipeline; its translator and its synthesizer can be held."""
    made = pipeline(stages)
    made.translator, made.synthesizer = Held(made.translator), Held(made.synthesizer)
    return made


class Client:
    """Requests as the page sends them; every session that it opened is ended at the end."""

    def __init__(self, server):
        self.server, self.http, self.opened = server, requests.Session(), []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.pipeline.translator.release()
        self.server.pipeline.synthesizer.release()
        for name in self.opened:
            self("DELETE", f"/api/sessions/{name}")
        self.http.close()

    def __call__(self, method, path, headers=None, **given):
        sent = {"Origin": self.server.address} | (headers or {})
        return self.http.request(method, self.server.address + path, headers=sent, timeout=60, **given)

    def open(self, path, name=None):
        """Upload a recording; the address of its session."""
        answer = self("POST", "/api/sessions", params={"name": name or path.name}, data=path.read_bytes())
        assert answer.status_code == 201, answer.text
        self.opened.append(answer.json()["id"])
        return f"/api/sessions/{self.opened[-1]}"

    def wait(self, session, until=("done",)):
        """The session's state once its job is over, which must end in one of the states ``until``."""
        for _ in range(1200):
            state = self("GET", session).json()
            if state["job"]["state"] not in ("queued", "running") or state["job"]["state"] in until:
                break
            time.sleep(0.05)
        assert state["job"]["state"] in until, state["job"]
        return state

    def speak(self, session, **options):
        """Speak and wait; the state."""
        answer = self("POST", f"{session}/speak", json=options)
        assert answer.status_code == 202, answer.text
        return self.wait(session)


def error(answer, status):
    """The line of a refusal; no traceback, and no path of this machine."""
    assert answer.status_code == status, answer.text
    text = answer.json()["error"]
    assert text
    assert "\n" not in text
    assert "Traceback" not in text
    assert tempfile.gettempdir() not in text
    return text


def folders(server):
    return [path for path in server.root.iterdir() if path.is_dir()]


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def uploading(server, method, path, length):
    """A connection that has sent the headers of an upload of so many bytes; at the end it is broken off."""
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        lines = (f"{method} {path} HTTP/1.1", f"Host: {host}:{port}", f"Origin: {server.address}")
        raw.sendall("\r\n".join((*lines, f"Content-Length: {length}", "", "")).encode())
        yield raw


def choose(page, path):
    page.locator("#file").set_input_files(path)
    page.locator("#work").wait_for()


def says(page, text, place="#status"):
    page.locator(place).filter(has_text=text).wait_for()


def speak(page):
    page.locator("#speak").click()
    says(page, "The English is ready.")
    page.locator("#segments .segment").first.wait_for()


def state_of(page):
    """The state of the page's session, as the server tells it."""
    return page.evaluate("fetch(`api/sessions/${sessionStorage['dubbing-session']}`).then(answer => answer.json())")
