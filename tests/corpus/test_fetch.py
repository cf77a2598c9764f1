"""The whole way of the real release, from archives at addresses to a manifest."""

import functools
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpus import cvss_t, mini
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.fetch import fetch_cvss_t
from thesis_lib.corpus.prepare import prepare

MINI = CorpusConfig(name="mini", limit=2)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path):
    """The bundled corpus in the three archives of the real release, served from this machine."""
    release = mini.write_release(tmp_path / "made", MINI)
    folder = tmp_path / "site"
    folder.mkdir()
    parts = {
        "cvss.tar.gz": [(path, f"./{path.name}") for path in release.cvss.iterdir()],
        "covost.tar.gz": [(release.covost, release.covost.name)],
        "es.tar.gz": [(release.common_voice, "cv-corpus-4-2019-12-10/es")],
    }
    for name, members in parts.items():
        with tarfile.open(folder / name, "w:gz") as tar:
            for path, inside in members:
                tar.add(path, inside)
    handler = functools.partial(Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def at(site, **changes):
    return MINI.model_copy(update={"cvss_url": f"{site}/cvss.tar.gz", "covost_url": f"{site}/covost.tar.gz"} | changes)


def test_three_archives_become_a_corpus(site, tmp_path):
    said = []
    folder = tmp_path / "corpus"
    release = fetch_cvss_t(folder, at(site), f"{site}/es.tar.gz?key=secret", say=said.append)
    manifest = prepare(release, tmp_path / "prepared", AudioConfig(), MINI)
    whole = prepare(cvss_t.Release.at(tmp_path / "made"), tmp_path / "whole", AudioConfig(), MINI)
    assert [u.id for u in manifest] == [u.id for u in whole]
    assert manifest.rejects == []
    assert not any("secret" in text for text in said)
    # The archives' hashes stay, the archives do not; the same again fetches nothing.
    assert {p.name for p in (folder / "archives").iterdir()} == {
        "cvss.tar.gz.sha256",
        "covost.tar.gz.sha256",
        "es.tar.gz.sha256",
    }
    said.clear()
    fetch_cvss_t(folder, at("http://127.0.0.1:9"), say=said.append)
    assert said == []


def test_common_voice_has_to_be_brought(site, tmp_path):
    with pytest.raises(CorpusError, match="--common-voice"):
        fetch_cvss_t(tmp_path / "corpus", at(site))
    assert not (tmp_path / "corpus").exists()
    release = fetch_cvss_t(tmp_path / "corpus", at(site), str(tmp_path / "site" / "es.tar.gz"), keep=True)
    assert (release.common_voice / "validated.tsv").exists()
    assert (tmp_path / "corpus" / "archives" / "cvss.tar.gz").exists()


def test_another_archive_than_the_right_one_is_said_to_be(site, tmp_path):
    with pytest.raises(CorpusError, match=r"covost\.tar\.gz holds no test\.tsv"):
        fetch_cvss_t(tmp_path / "corpus", at(site, cvss_url=f"{site}/covost.tar.gz"), f"{site}/es.tar.gz")
