"""No file outlives its session: its end, its timeout, a closed page, signals, and what a killed server has left."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from filelock import FileLock
from served import error, folders, until, uploading

from thesis_lib.cloning import script
from thesis_lib.serving import sessions, uploads
from thesis_lib.serving.sessions import PREFIX, scratch_folder

SERVING = """if True:
    import sys, time
    from cloning_stages import make
    from thesis_lib.config import CloningConfig
    from thesis_lib.serving import serve
    from thesis_lib.utils.process import set_up
    set_up()
    def build():
        made = make(sys.argv[1], CloningConfig(voice="af_heart", watermark=False))
        class Endless:
            name = "endless"
            def __call__(self, *given):
                print("translating", flush=True)
                time.sleep(600)
        made.translator = Endless()
        return made
    sys.exit(128 + serve(build, 0, say=lambda text: print(text, flush=True)))
"""


def test_the_end_of_a_session_deletes_its_files_also_while_it_is_worked_on(client, recording):
    session = client.open(recording)
    (folder,) = folders(client.server)
    assert list(folder.rglob("voz.wav"))
    assert folder.stat().st_mode & 0o777 == 0o700
    synthesizer = client.server.pipeline.synthesizer
    synthesizer.hold()
    client("POST", f"{session}/speak", json={})
    assert synthesizer.is_waiting.wait(30)
    assert client("DELETE", session).status_code == 204
    assert "this session has ended" in error(client("GET", session), 404)
    for method, path in (("GET", "/files/source"), ("POST", "/speak"), ("PUT", "/script"), ("POST", "/export")):
        error(client(method, session + path, data=b"{}"), 404)
    synthesizer.release()  # the segment is then written to the cache
    until(lambda: not folders(client.server))
    other = client.open(recording)
    assert client.speak(other)["made"], "the queue goes on"
    assert len(folders(client.server)) == 1, "the job has written nothing after the end of its session"


def test_a_session_without_its_page_ends(client, recording, monkeypatch):
    session, other = client.open(recording), client.open(recording)
    assert client("POST", f"{session}/leave").status_code == 204
    now = time.monotonic()
    monkeypatch.setattr(sessions.time, "monotonic", lambda: now + 60)
    until(lambda: len(folders(client.server)) == 1)
    error(client("GET", session), 404)
    assert client("GET", other).status_code == 200
    monkeypatch.setattr(sessions.time, "monotonic", lambda: now + 60 + 1801)
    until(lambda: not folders(client.server))


def test_a_duplicated_tab_keeps_its_session_while_it_is_hidden(client, recording, monkeypatch):
    session = client.open(recording)
    for page in ("first", "second"):
        client("GET", f"{session}?page={page}")
    now = time.monotonic()
    client("POST", f"{session}/leave?page=first")
    monkeypatch.setattr(sessions.time, "monotonic", lambda: now + 60)  # a hidden page asks so seldom
    client.server.sessions.expire()
    assert client("GET", f"{session}?page=second").status_code == 200
    client("POST", f"{session}/leave?page=second")
    monkeypatch.setattr(sessions.time, "monotonic", lambda: now + 120)
    client.server.sessions.expire()
    error(client("GET", session), 404)


def test_a_page_that_is_loaded_anew_keeps_its_session(client, recording, monkeypatch):
    session = client.open(recording)
    client("POST", f"{session}/leave")
    assert client("GET", session).status_code == 200
    now = time.monotonic()
    monkeypatch.setattr(sessions.time, "monotonic", lambda: now + 60)
    client.server.sessions.expire()
    assert client("GET", session).status_code == 200


def test_what_a_killed_server_has_left_is_deleted_and_what_a_running_one_has_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions.tempfile, "tempdir", str(tmp_path))
    left, held, other = (tmp_path / f"{PREFIX}{name}" for name in ("left", "held", "other"))
    for folder in (left, held, other):
        (folder / "source").mkdir(parents=True)
    (left / "lock").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(left)
    with FileLock(held / "lock"), scratch_folder() as root:
        assert not left.exists()
        assert held.exists()
        assert other.exists(), "it is no server's"
        assert root.stat().st_mode & 0o777 == 0o700
        with scratch_folder() as second:
            assert root.exists()
        assert not second.exists()
    assert not root.exists()


def test_the_folder_of_another_user_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions.tempfile, "tempdir", str(tmp_path))
    (other := tmp_path / f"{PREFIX}other").mkdir()
    (other / "lock").touch()
    own, is_file = os.getuid(), Path.is_file

    def closed(path):
        if path.parent == other:
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", closed)
    for uid in (own + 1, own):
        monkeypatch.setattr(sessions.os, "getuid", lambda uid=uid: uid)
        with scratch_folder() as root:
            assert root.exists()
        assert other.exists()


@pytest.mark.parametrize(("module", "name"), [(uploads, "set_script"), (script, "write_text")])
def test_a_session_that_ends_while_its_script_is_set_leaves_nothing(client, recording, monkeypatch, module, name):
    session, (waits, goes_on) = client.open(recording), (threading.Event(), threading.Event())
    function = getattr(module, name)

    def held(*given):
        waits.set()
        assert goes_on.wait(30)
        function(*given)

    monkeypatch.setattr(module, name, held)
    lines = json.dumps({"segments": [{"start": 0, "end": 1, "english": "hi"}]})
    with ThreadPoolExecutor(1) as pool:
        origin = client.server.address
        answer = pool.submit(requests.put, f"{origin}{session}/script", lines, headers={"Origin": origin}, timeout=60)
        assert waits.wait(30)
        for method, path in (("POST", "/speak"), ("PUT", "/script"), ("PUT", "/recordings/voice?name=a.wav")):
            assert "is being worked on" in error(client(method, session + path, data=b"{}"), 409)
        assert client("DELETE", session).status_code == 204
        goes_on.set()
        assert "this session has ended" in error(answer.result(), 404)
    assert not folders(client.server)


def test_an_upload_keeps_its_session_open(client, recording, monkeypatch):
    data, real, later = recording.read_bytes(), time.monotonic, 0.0
    monkeypatch.setattr(sessions.time, "monotonic", lambda: real() + later)
    with uploading(client.server, "POST", "/api/sessions?name=a.wav", len(data)) as raw:
        until(lambda: client.server.sessions._open)
        (session,) = client.server.sessions._open.values()
        begun = session.expires
        later = 1500.0
        raw.sendall(data[:1000])
        until(lambda: session.expires > begun)
        later = 3000.0
        client.server.sessions.expire()
        assert folders(client.server) == [session.folder]
    until(lambda: not folders(client.server))


def test_files_that_are_refused_replaced_or_removed_are_deleted(client, recording):
    def held(role):
        # os.walk ignores a folder that the server deletes at the same time; Path.rglob raises.
        return sorted(name for _, _, names in os.walk(folder / role) for name in names)

    session = client.open(recording)
    (folder,) = folders(client.server)
    put = f"{session}/recordings/style"
    error(client("PUT", put, params={"name": "broken.wav"}, data=b"this is text" * 50), 415)
    until(lambda: held("style") == [])
    with uploading(client.server, "PUT", f"{put}?name=part.wav", 10**6) as raw:
        raw.sendall(recording.read_bytes()[:100_000])
        until(lambda: held("style") == ["part.wav"])
    until(lambda: held("style") == [])
    for name in ("one.wav", "two.wav"):
        assert client("PUT", put, params={"name": name}, data=recording.read_bytes()).status_code == 200
        assert held("style") == [name]
    for name in ("one.wav", "two.wav"):
        client("PUT", f"{session}/recordings/voice", params={"name": name}, data=recording.read_bytes())
    assert held("voice") == ["one.wav", "two.wav"]
    for role in ("voice", "style"):
        client("DELETE", f"{session}/recordings/{role}")
        assert held(role) == []
    assert held("source") == ["voz.wav"]


def test_sigterm_deletes_all_files_also_in_the_middle_of_a_job(tiny_run, recording, tmp_path):
    place = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (place, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": path}
    command = [sys.executable, "-c", SERVING, str(tiny_run.path / "conversion" / "vocoder")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True)
    address = process.stdout.readline().strip()
    headers = {"Origin": address}
    opened = requests.post(
        f"{address}/api/sessions?name=a.wav", data=recording.read_bytes(), headers=headers, timeout=60
    )
    session = f"{address}/api/sessions/{opened.json()['id']}"
    assert requests.post(f"{session}/speak", data=b"{}", headers=headers, timeout=60).status_code == 202
    assert process.stdout.readline() == "translating\n"
    assert list(tmp_path.rglob("a.wav"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM
    assert not list(tmp_path.glob(f"{PREFIX}*"))
