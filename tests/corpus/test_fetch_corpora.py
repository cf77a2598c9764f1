"""Downloads of corpora of one language: the published archive kind and layout, checksums, resumption, bad archives."""

import functools
import hashlib
import threading
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import tiny_corpora
from typer.testing import CliRunner

from thesis_lib.cli import app
from thesis_lib.config import Config
from thesis_lib.corpus import fetch as module
from thesis_lib.corpus.download import DownloadError
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.fetch import fetch_corpus
from thesis_lib.corpus.one_language import prepare_recordings
from thesis_lib.corpus.readers import READERS, Archive
from thesis_lib.corpus.unpack import UnpackError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def site(tmp_path):
    """A folder, and the address at which this machine serves it."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def published(monkeypatch, name: str, subset: str, url: str, md5: str | None) -> None:
    """Let the corpus be published at another address, with another checksum."""
    reader = replace(READERS[name], archives={subset: Archive(url, md5)})
    monkeypatch.setattr(module, "READERS", READERS | {name: reader})


def md5_of(path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", tiny_corpora.MAKERS)
def test_an_archive_becomes_a_corpus(name, site, tmp_path, monkeypatch):
    folder, address = site
    archive = tiny_corpora.pack(name, folder)
    url, said, source = f"{address}/{archive.name}", [], None
    if name == "common-voice":
        source = f"{url}?key=secret"
    else:
        published(monkeypatch, name, "all", url, md5_of(archive))
    fetch_corpus(name, tmp_path / "corpus", source=source, say=said.append)
    assert not any("secret" in text for text in said)
    changes = {"corpus.name": name, "corpus.root": str(tmp_path / "corpus"), "corpus.min_duration": 0.5}
    made = prepare_recordings(Config().override(changes), tmp_path / "made")
    whole = Config().override(changes | {"corpus.root": str(folder / "tree" / name)})
    assert [u.id for u in made] == [u.id for u in prepare_recordings(whole, tmp_path / "whole")]
    assert not list((tmp_path / "corpus" / "archives").glob("*.gz"))  # the archive is gone, its sha256 stays
    said.clear()
    archive.unlink()
    fetch_corpus(name, tmp_path / "corpus", source=source, say=said.append)  # the same again fetches nothing
    assert [text for text in said if not text.endswith("already")] == []


def test_the_addresses_and_checksums_are_complete():
    addresses = [archive.url for reader in READERS.values() for archive in reader.archives.values()]
    assert len(set(addresses)) == len(addresses)
    assert all(url.startswith("https://") for url in addresses)
    unpublished = {
        (name, subset) for name, reader in READERS.items() for subset, a in reader.archives.items() if a.md5 is None
    }
    assert unpublished == {("libritts-r", "doc"), ("speechocean762", "all")}
    sums = [a.md5 for reader in READERS.values() for a in reader.archives.values() if a.md5]
    assert len(set(sums)) == len(sums)
    assert all(len(value) == 32 and int(value, 16) for value in sums)


def test_a_wrong_checksum_is_refused_and_nothing_is_unpacked(site, tmp_path, monkeypatch):
    folder, address = site
    archive = tiny_corpora.pack("librispeech", folder)
    published(monkeypatch, "librispeech", "dev-clean", f"{address}/{archive.name}", "0" * 32)
    with pytest.raises(DownloadError, match="md5 .* is not the published 0000.*; deleted"):
        fetch_corpus("librispeech", tmp_path / "corpus")
    assert not [path for path in (tmp_path / "corpus").rglob("*") if path.is_file()]
    with pytest.raises(CorpusError, match=r"tar\.gz: md5 .* is not the published 0000"):
        fetch_corpus("librispeech", tmp_path / "corpus", source=str(archive))
    assert archive.exists()  # the user's own file


@pytest.mark.parametrize("name", ["vctk", "librispeech"])
def test_a_half_downloaded_archive_is_refused_and_a_whole_one_continues(name, site, tmp_path, monkeypatch):
    folder, address = site
    archive = tiny_corpora.pack(name, folder)
    body = archive.read_bytes()
    published(monkeypatch, name, "all", f"{address}/{archive.name}", None)
    archive.write_bytes(body[: len(body) // 2])
    with pytest.raises(UnpackError, match="damaged, or no tar or zip archive"):
        fetch_corpus(name, tmp_path / "corpus", source=str(archive))
    archive.write_bytes(body)
    said = []
    fetch_corpus(name, tmp_path / "corpus", source=str(archive), say=said.append)
    assert any("no published checksum" in text for text in said)
    tree = folder / "tree" / name
    for path in (tmp_path / "corpus").rglob("*.flac"):
        assert path.read_bytes() == (tree / path.relative_to(tmp_path / "corpus")).read_bytes()


def test_what_cannot_be_fetched_is_named(tmp_path, site):
    folder, _ = site
    cases = (
        (("speakers", ()), "no corpus named 'speakers' to download; known: cvss-t, librispeech"),
        (("librispeech", ()), "several archives: name some with --subset; known: dev-clean"),
        (("librispeech", ("train-clean-10",)), "no subset 'train-clean-10'; known: dev-clean"),
        (("common-voice", ()), "signed link only to those who accept its terms"),
    )
    for (name, subsets), says in cases:
        with pytest.raises(CorpusError, match=says):
            fetch_corpus(name, tmp_path / "corpus", subsets)
    with pytest.raises(CorpusError, match="stands for one subset"):
        fetch_corpus("librispeech", tmp_path / "corpus", ("dev-clean", "dev-other"), "x.tar.gz")
    with pytest.raises(CorpusError, match="is no file"):
        fetch_corpus("common-voice", tmp_path / "corpus", source=str(tmp_path / "lost.tar.gz"))
    other = tiny_corpora.pack("mls-spanish", folder)
    with pytest.raises(CorpusError, match="holds nothing of speechocean762"):
        fetch_corpus("speechocean762", tmp_path / "corpus", source=str(other))


def test_the_command(tmp_path, site):
    folder, _ = site
    archive = tiny_corpora.pack("speechocean762", folder)
    runner = CliRunner()
    target = tmp_path / "corpus"
    done = runner.invoke(app, ["download", "speechocean762", "--archive", str(archive), "--to", str(target)])
    assert done.exit_code == 0, done.output
    assert f"--set corpus.name=speechocean762 --set corpus.root={target}" in done.output
    assert (target / "speechocean762" / "WAVE" / "SPEAKER0001" / "000010011.WAV").exists()
    assert "name the folder" in runner.invoke(app, ["download", "vctk"]).output
    # A folder alone still means CVSS-T.
    refused = runner.invoke(app, ["download", str(tmp_path / "cvss")])
    assert "Common Voice 4" in f"{refused.output}{refused.exception}"
    help_ = runner.invoke(app, ["download", "--help"]).output
    assert "Example: thesis download librispeech" in help_
