"""Downloads from a server on this machine that behaves as badly as real ones do."""

import hashlib
import re
import threading
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from thesis_lib.corpus import download as module
from thesis_lib.corpus.download import DownloadError, download

BODY = bytes(range(256)) * 4096  # 1 MiB
OTHER = BODY[::-1]
CHUNK = 1 << 16
Server = namedtuple("Server", "url asked answers")
# How a request is answered: the status when it is no success, the body, how many of its bytes come, the length that
# is promised, whether a range is honoured, more headers.
Answer = namedtuple("Answer", "status body sent length ranges headers", defaults=(200, BODY, None, None, True, {}))


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", CHUNK)
    asked, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(dict(self.headers))
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if answer.status != 200:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            tag = f'"{hashlib.sha256(answer.body).hexdigest()[:8]}"'
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            same = self.headers.get("If-Range") == tag
            start = int(wanted[1]) if wanted and same and answer.ranges else 0
            body = answer.body[start:]
            self.send_response(206 if start else 200)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(answer.length or len(body)))
            self.end_headers()
            self.wfile.write(body[: answer.sent])
            self.close_connection = True

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield Server(f"http://127.0.0.1:{http.server_port}/corpus.tar.gz", asked, answers)
        http.shutdown()
        thread.join()


def fetch(server, target, *answers, pauses=None, **options):
    server.answers[:] = answers
    return download(server.url, target, pause=(pauses if pauses is not None else []).append, **options)


def test_a_whole_file_with_its_hash_and_nothing_else(server, tmp_path):
    digest = hashlib.sha256(BODY).hexdigest()
    bars = []
    target = fetch(
        server, tmp_path / "corpus.tar.gz", Answer(), progress=lambda i, *about: bars.append(about) or i, sha256=digest
    )
    assert target.read_bytes() == BODY
    assert (tmp_path / "corpus.tar.gz.sha256").read_text() == f"{digest}  corpus.tar.gz\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["corpus.tar.gz", "corpus.tar.gz.sha256"]
    assert bars == [(16, "corpus.tar.gz, MB")]
    fetch(server, target, Answer(status=404))  # asks nothing
    assert len(server.asked) == 1
    with pytest.raises(DownloadError, match="remove it"):
        fetch(server, target, Answer(), sha256="0" * 64)


def test_a_broken_connection_goes_on_where_it_was(server, tmp_path):
    some = 5 * CHUNK
    target = fetch(server, tmp_path / "f", Answer(sent=some), Answer(sent=some), Answer())
    assert target.read_bytes() == BODY
    assert [headers.get("Range") for headers in server.asked] == [None, *(f"bytes={n * some}-" for n in (1, 2))]


def test_a_call_that_was_interrupted_goes_on_too(server, tmp_path):
    with pytest.raises(DownloadError, match=r"given up after 8 attempts in a row.*continues"):
        fetch(server, tmp_path / "f", Answer(sent=CHUNK), Answer(status=503))
    assert not (tmp_path / "f").exists()
    assert fetch(server, tmp_path / "f", Answer()).read_bytes() == BODY
    assert server.asked[-1]["Range"] == f"bytes={CHUNK}-"


def test_a_file_that_changes_half_way_is_fetched_from_the_beginning(server, tmp_path):
    target = fetch(server, tmp_path / "f", Answer(sent=CHUNK + 5000), Answer(body=OTHER))
    assert target.read_bytes() == OTHER


def test_a_server_without_ranges_begins_anew(server, tmp_path):
    assert fetch(server, tmp_path / "f", Answer(sent=CHUNK + 5000), Answer(ranges=False)).read_bytes() == BODY


def test_a_server_that_promises_more_than_it_has_is_given_up(server, tmp_path):
    with pytest.raises(DownloadError, match="given up"):
        fetch(server, tmp_path / "f", Answer(length=len(BODY) + 5))
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_given_the_time_that_it_asks_for(server, tmp_path, status):
    pauses = []
    busy = [Answer(status=status, headers={"Retry-After": "7"}), Answer(status=status)]
    assert fetch(server, tmp_path / "f", *busy, Answer(), pauses=pauses).read_bytes() == BODY
    assert pauses == [7.0, 4.0]


def test_a_date_to_wait_for(server, tmp_path):
    pauses = []
    past = Answer(status=503, headers={"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    future = Answer(status=503, headers={"Retry-After": "Wed, 21 Oct 2054 07:28:00 GMT"})
    fetch(server, tmp_path / "f", past, future, Answer(), pauses=pauses)
    assert pauses[0] == 2.0
    assert pauses[1] > 1e8


def test_what_will_never_come_is_said_at_once(server, tmp_path):
    with pytest.raises(DownloadError, match="404"):
        fetch(server, tmp_path / "f", Answer(status=404))
    assert len(server.asked) == 1
    with pytest.raises(DownloadError, match=r"sha256 .* is not the expected 000000000000"):
        fetch(server, tmp_path / "f", Answer(), sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["corpus.tar.gz", "htp://127.0.0.1/corpus.tar.gz", "http://:80/corpus.tar.gz"])
def test_what_is_no_address_is_said_at_once(url, tmp_path):
    pauses = []
    with pytest.raises(DownloadError, match="is no address"):
        download(url, tmp_path / "f", pause=pauses.append)
    assert pauses == []


def test_the_md5_of_a_file_that_is_there_is_compared(server, tmp_path):
    target = fetch(server, tmp_path / "f", Answer())
    right = hashlib.md5(BODY).hexdigest()
    assert fetch(server, target, Answer(status=404), md5=right) == target
    target.write_bytes(OTHER)
    with pytest.raises(DownloadError, match=rf"has the md5 .*, {right} is published: remove it"):
        fetch(server, target, Answer(), md5=right)


def test_too_little_space_is_said_before_it_is_used(server, tmp_path):
    with pytest.raises(DownloadError, match=r"needs .* GB in .* are free"):
        fetch(server, tmp_path / "f", Answer(), disk_space_factor=1e9)
    assert not (tmp_path / "f.partial").exists()
