"""A client of the dubbing page's server, and a pipeline that a test can hold."""

import threading
import time

import requests
from cloning_stages import pipeline


def slow_pipeline(stages):
    """The tiny pipeline; ``translator.hold`` stops it before the next segment until it is released."""
    made = pipeline(stages)
    inner, gate = made.translator, threading.Event()
    gate.set()

    class Held:
        name, hold, release = "held", gate.clear, gate.set

        def __call__(self, *given):
            assert gate.wait(30)
            return inner(*given)

    made.translator = Held()
    return made


class Client:
    """Requests as the page sends them; every session that it opened is ended at the end."""

    def __init__(self, server):
        self.server, self.http, self.opened = server, requests.Session(), []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.pipeline.translator.release()
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
