"""What the server refuses, each with one line; its queue; its command."""

import json
import signal

import numpy as np
import pytest
from cloning_stages import HZ
from served import error, folders, until, uploading
from typer.testing import CliRunner

from thesis_lib.audio.files import write_audio
from thesis_lib.serving import Limits, ServingError, uploads
from thesis_lib.serving.jobs import Job
from thesis_lib.serving.server import bound
from thesis_lib.serving.sessions import Session, safe_name
from thesis_lib.training import adaptation

SCRIPTS = ("page.js", "segments.js", "options.js", "progress.js", "requests.js")


def test_the_page_loads_nothing_from_elsewhere(client):
    kinds = {"": "text/html", "page.css": "text/css"} | dict.fromkeys(SCRIPTS, "javascript")
    for name, kind in kinds.items():
        answer = client("GET", f"/{name}")
        assert answer.status_code == 200
        assert kind in answer.headers["Content-Type"]
        assert "http" not in answer.text.replace("XMLHttpRequest", "")
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Server" not in answer.headers


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::1", "192.168.0.2"])
def test_a_host_name_of_another_site_is_refused(client, host):
    """DNS rebinding: another site's name that leads to this machine."""
    for path in ("/", "/api/settings", "/nothing"):
        assert "only on this machine" in error(client("GET", path, {"Host": host}), 403)
    port = client.server.address.rpartition(":")[2]
    for own in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}"):
        assert client("GET", "/", {"Host": own}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://{own}", None])
def test_a_request_of_another_site_changes_nothing(client, recording, origin):
    session, before = client.open(recording), len(folders(client.server))
    own = client.server.address.removeprefix("http://")
    headers = {"Origin": origin and origin.format(own=own)}
    for method, path in (
        ("POST", "/api/sessions?name=a.wav"),
        ("POST", f"{session}/speak"),
        ("POST", f"{session}/leave"),
        ("PUT", f"{session}/script"),
        ("DELETE", session),
        ("OPTIONS", session),
    ):
        assert "another site" in error(client(method, path, headers, data=b"{}"), 403)
    assert len(folders(client.server)) == before
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    error(client("GET", session, elsewhere), 403)
    error(client("GET", session, elsewhere | {"Sec-Fetch-Mode": "navigate"}), 403)
    error(client("GET", "/", elsewhere), 403)
    assert client("GET", "/", elsewhere | {"Sec-Fetch-Mode": "navigate"}).status_code == 200  # a link to the page
    assert client("GET", session, {"Sec-Fetch-Site": "same-origin"}).json()["job"] is None


def test_what_is_no_recording_is_refused_and_leaves_nothing(client, tmp_path):
    before = folders(client.server)

    def post(name, data, **headers):
        return client("POST", "/api/sessions", headers, params={"name": name}, data=data)

    assert "notes.txt is no recording" in error(post("notes.txt", b"hello"), 415)
    assert "no recording" in error(post("", b"hello"), 415)
    assert "voz.wav is empty" in error(post("voz.wav", b""), 400)
    says = error(post("../../voz.wav", b"this is text" * 50), 415)
    assert says.startswith("voz.wav: undecodable")
    says = error(post("voz.wav", bytes(3_000_001)), 413)
    assert says == "the file has 3.0 MB: at most 3.0 MB can be uploaded"
    assert error(client("POST", "/api/sessions?name=a.wav", data=iter([b"chunked"])), 411)
    assert folders(client.server) == before


def test_an_upload_that_breaks_off_leaves_nothing(client):
    before = len(folders(client.server))
    with uploading(client.server, "POST", "/api/sessions?name=a.wav", 1_000_000) as raw:
        raw.sendall(b"some bytes")
        until(lambda: len(folders(client.server)) == before + 1)
    until(lambda: len(folders(client.server)) == before)


def test_a_silent_recording_gives_one_line(client, tmp_path):
    write_audio(tmp_path / "silence.wav", np.zeros(2 * HZ), HZ)
    session = client.open(tmp_path / "silence.wav")
    client("POST", f"{session}/speak", json={})
    job = client.wait(session, until=("failed",))["job"]
    assert job["error"].startswith("silence.wav: no speech; no voice was detected")
    assert str(client.server.root) not in json.dumps(job)


def test_a_script_that_cannot_be_written_is_told(client, recording, monkeypatch):
    session = client.open(recording)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads, "set_script", full)
    answer = client("PUT", f"{session}/script", data=b"{}")
    assert error(answer, 507) == "the script cannot be written: No space left on device"


@pytest.mark.parametrize("defect", [SystemExit, type("Panic", (BaseException,), {})])
def test_no_error_ends_the_queue(client, recording, monkeypatch, defect):
    session = client.open(recording)

    def broken(*_, **__):
        raise defect("in Rust")

    with monkeypatch.context() as patch:
        patch.setattr(client.server.pipeline.translator, "stage", broken)
        client("POST", f"{session}/speak", json={})
        job = client.wait(session, until=("failed",))["job"]
    assert job["error"] == f"{defect.__name__}: in Rust"
    assert client.speak(session)["made"]


def test_a_defect_is_one_line_too_and_the_next_job_runs(client, recording, monkeypatch, caplog):
    session = client.open(recording)
    with monkeypatch.context() as patch:
        patch.setattr(client.server.pipeline.translator, "stage", lambda *_: 1 / 0)
        client("POST", f"{session}/speak", json={})
        assert client.wait(session, until=("failed",))["job"]["error"] == "ZeroDivisionError: division by zero"
    assert "a job has failed" in caplog.text
    assert client.speak(session)["made"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "script.json: Invalid JSON"),
        (b"\xff", "script.json, line 1: the text is not UTF-8"),
        (b"{}", "script.json, segments: Field required"),
        (b'{"segments": []}', "no segment has English"),
        (b'{"segments": [{"start": 0, "end": 1, "english": "a", "loud": 1}]}', "script.json, segment 1, loud"),
        (b'{"segments": [{"start": 0, "end": 999, "english": "a"}]}', "after the end of the recording"),
        (b'{"fingerprint": "0", "segments": []}', "script.json was written for another recording"),
    ],
)
def test_a_wrong_script_is_refused_with_its_place(client, recording, body, says):
    session = client.open(recording)
    assert says in error(client("PUT", f"{session}/script", data=body), 400)
    assert client("GET", session).json()["script"] == ""


def test_other_wrong_requests(client, recording):
    session = client.open(recording)
    assert "is no script" in error(client("PUT", f"{session}/script?name=a.txt", data=b"{}"), 415)
    assert "4.0 MB" in error(client("PUT", f"{session}/script", data=bytes(4_000_001)), 413)
    assert "Invalid JSON" in error(client("POST", f"{session}/speak", data=b"{"), 400)
    assert error(client("POST", f"{session}/speak", json={"loud": 1}), 400).startswith("loud: Extra inputs")
    assert error(client("POST", f"{session}/speak", json={"style_strength": 9}), 400).startswith("style_strength: ")
    assert "holds no word" in error(client("POST", f"{session}/speak", json={"text": "..."}), 400)
    assert "format" in error(client("POST", f"{session}/export", json={"format": "/etc"}), 400)
    assert "nothing was spoken yet" in error(client("POST", f"{session}/export", json={"format": ".mp3"}), 409)
    error(client("PATCH", session), 405)
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = client(method, "/api/sessions", params={"name": "a.wav"}, data=b"data")
        assert answer.status_code == 405
    assert len(folders(client.server)) == 1
    error(client("GET", "/favicon.ico"), 404)


@pytest.mark.parametrize(
    "path",
    [
        "../script.json",
        "..%2f..%2flock",
        "%2e%2e/lock",
        "english/../../lock",
        "/etc/passwd",
        "..",
        "script.json%00",
        "lock",
    ],
)
def test_no_address_leads_to_another_file(client, recording, path):
    session = client.open(recording)
    port = int(client.server.address.rpartition(":")[2])
    import http.client  # requests would tidy the path

    for address in (f"{session}/files/{path}", f"/{path}", f"/api/sessions/{path}"):
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", address)
        answer = connection.getresponse()
        assert answer.status == 404
        assert b"error" in answer.read()
        connection.close()


def test_names_of_files_are_made_safe():
    assert safe_name("../../etc/passwd.wav") == "passwd.wav"
    assert safe_name("C:\\music\\Canción 1 (final).MP3") == "Canción 1 (final).mp3"
    assert safe_name("..") == "recording"
    assert safe_name("a\x00b\n<script>.wav") == "a_b__script_.wav"
    assert safe_name("x" * 500 + ".wav") == "x" * 60 + ".wav"
    assert safe_name(".wav") == "recordingwav"


def test_a_file_is_sent_in_ranges_and_never_stored(client, recording):
    session = client.open(recording)
    answer = client("GET", f"{session}/files/source", {"Range": "bytes=44-143"})
    assert answer.status_code == 206
    assert answer.content == recording.read_bytes()[44:144]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Etag" not in answer.headers
    assert client("HEAD", f"{session}/files/source").headers["Content-Length"] == str(recording.stat().st_size)
    assert client("GET", f"{session}/files/source", {"Range": "bytes=999999999-"}).status_code == 416


def test_two_recordings_are_worked_on_one_after_the_other(client, recording):
    first, second, third = (client.open(recording) for _ in range(3))
    client.server.pipeline.translator.hold()
    for session in (first, second, third):
        client("POST", f"{session}/speak", json={})
    until(lambda: client("GET", first).json()["job"]["state"] == "running")
    job = client("GET", third).json()["job"]
    assert (job["state"], job["ahead"]) == ("queued", 2)
    client("DELETE", second)
    assert client("GET", third).json()["job"]["ahead"] == 1
    client.server.pipeline.translator.release()
    assert client.wait(third)["made"]
    assert client.wait(first)["made"]


def test_a_job_that_ends_while_its_state_is_read_is_not_shown_without_its_outputs(client, tmp_path):
    class Ending(Session):
        """A session with a job that ends when the outputs are read."""

        def __getattribute__(self, name):
            found = super().__getattribute__(name)
            if name == "made":
                self.job.state = "done"
            return found

    state = client.server.status(Ending("id", tmp_path, job=Job("speak", lambda job: None, {}, "running")))
    assert (state["job"]["state"], state["made"]) == ("running", None)
    assert client.server.status(Session("id", tmp_path))["job"] is None


def test_too_many_recordings_are_refused(client, recording):
    for _ in range(4):
        client.open(recording)
    answer = client("POST", "/api/sessions", params={"name": "a.wav"}, data=recording.read_bytes())
    assert "too many recordings are open" in error(answer, 503)
    assert len(folders(client.server)) == 4


def test_a_port_in_use_is_told(client):
    with pytest.raises(ServingError, match=r"port \d+ cannot be used \(Address already in use\): name another"):
        bound(int(client.server.address.rpartition(":")[2]))
    for taken in bound(0):
        assert taken.getsockname()[0] == "127.0.0.1"
        taken.close()


def test_the_command_hands_its_options_over(client, monkeypatch):
    from thesis_lib import cli, serving

    port = client.server.address.rpartition(":")[2]
    told = CliRunner().invoke(cli.app, ["serve", "--port", port])
    assert isinstance(told.exception, ServingError), "before any model is loaded"
    told = CliRunner().invoke(cli.app, ["serve", "--keep", "1"])  # a page in the background asks once a minute
    assert told.exit_code == 2
    given = []
    monkeypatch.setattr(serving, "serve", lambda *args: given.extend(args) or signal.SIGTERM)
    options = ["--max-upload", "5", "--keep", "2", "--set", "encoders.emotion_folder=weights"]
    done = CliRunner().invoke(cli.app, ["serve", "--port", "9000", *options])
    assert done.exit_code == 128 + signal.SIGTERM
    assert given[1] == 9000
    assert given[2] == Limits(upload_bytes=5_000_000, keep_seconds=120.0)
    calls = []
    monkeypatch.setattr(adaptation, "adapt", lambda *args, **settings: calls.append((args, settings)) or "adapted")
    assert given[3]("recordings", "folder", "default", 1.0, "progress") == "adapted"
    ((args, settings),) = calls
    assert args == ("recordings", "folder", "default", 1.0, "progress")
    assert (settings["encoders"].emotion_folder, settings["plugins"]) == ("weights", ())
