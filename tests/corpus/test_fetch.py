"""The whole way of the real release, from archives at addresses to a manifest."""

import hashlib
import shutil
import tarfile
from dataclasses import replace

import pytest
import tiny_corpora
from helpers import serving
from tiny_corpora import config_of

from thesis_lib.config import AudioConfig, Config, CorpusConfig
from thesis_lib.corpus import cvss_t, mini
from thesis_lib.corpus import fetch as module
from thesis_lib.corpus.download import DownloadError
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.fetch import fetch_corpus, fetch_cvss_t
from thesis_lib.corpus.one_language import prepare_recordings
from thesis_lib.corpus.prepare import prepare
from thesis_lib.corpus.readers import READERS, Archive
from thesis_lib.corpus.unpack import UnpackError

MINI = CorpusConfig(name="mini", limit=2)


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
    with serving(folder) as address:
        yield address


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


def published(monkeypatch, name: str, subset: str, url: str, md5: str | None) -> None:
    """Let the corpus be published at another address, with another checksum."""
    reader = replace(READERS[name], archives={subset: Archive(url, md5)})
    monkeypatch.setattr(module, "READERS", READERS | {name: reader})


def md5_of(path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", tiny_corpora.MAKERS)
def test_an_archive_becomes_a_corpus(name, served, tmp_path, monkeypatch):
    folder, address = served
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
    left = [path.name for path in (tmp_path / "corpus" / "archives").iterdir()]
    assert left == [f"{archive.name}.sha256"]  # the archive is gone, its sha256 stays
    said.clear()
    archive.unlink()
    fetch_corpus(name, tmp_path / "corpus", source=source, say=said.append)  # the same again fetches nothing
    assert [text for text in said if not text.endswith("already")] == []


# Corpus and subset -> address and md5: a change of one is a change of what is downloaded.
OPENSLR = "https://www.openslr.org/resources"

OFFICIAL = {
    ("librispeech", "dev-clean"): (f"{OPENSLR}/12/dev-clean.tar.gz", "42e2234ba48799c1f50f24a7926300a1"),
    ("librispeech", "dev-other"): (f"{OPENSLR}/12/dev-other.tar.gz", "c8d0bcc9cca99d4f8b62fcc847357931"),
    ("librispeech", "test-clean"): (f"{OPENSLR}/12/test-clean.tar.gz", "32fa31d27d2e1cad72775fee3f4849a9"),
    ("librispeech", "test-other"): (f"{OPENSLR}/12/test-other.tar.gz", "fb5a50374b501bb3bac4815ee91d3135"),
    ("librispeech", "train-clean-100"): (f"{OPENSLR}/12/train-clean-100.tar.gz", "2a93770f6d5c6c964bc36631d331a522"),
    ("librispeech", "train-clean-360"): (f"{OPENSLR}/12/train-clean-360.tar.gz", "c0e676e450a7ff2f54aeade5171606fa"),
    ("librispeech", "train-other-500"): (f"{OPENSLR}/12/train-other-500.tar.gz", "d1a0fd59409feb2c614ce4d30c387708"),
    ("libritts-r", "dev-clean"): (f"{OPENSLR}/141/dev_clean.tar.gz", "2c1f5312914890634cc2d15783032ff3"),
    ("libritts-r", "dev-other"): (f"{OPENSLR}/141/dev_other.tar.gz", "62d3a80ad8a282b6f31b3904f0507e4f"),
    ("libritts-r", "test-clean"): (f"{OPENSLR}/141/test_clean.tar.gz", "4d373d453eb96c0691e598061bbafab7"),
    ("libritts-r", "test-other"): (f"{OPENSLR}/141/test_other.tar.gz", "dbc0959d8bdb6d52200595cabc9995ae"),
    ("libritts-r", "train-clean-100"): (f"{OPENSLR}/141/train_clean_100.tar.gz", "6df668d8f5f33e70876bfa33862ad02b"),
    ("libritts-r", "train-clean-360"): (f"{OPENSLR}/141/train_clean_360.tar.gz", "382eb3e64394b3da6a559f864339b22c"),
    ("libritts-r", "train-other-500"): (f"{OPENSLR}/141/train_other_500.tar.gz", "a37a8e9f4fe79d20601639bf23d1add8"),
    ("libritts-r", "doc"): (f"{OPENSLR}/141/doc.tar.gz", None),
    ("vctk", "0.92"): (
        "https://datashare.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip",
        "8a6ba2946b36fcbef0212cad601f4bfa",
    ),
    ("speechocean762", "all"): (f"{OPENSLR}/101/speechocean762.tar.gz", None),
    ("mls-spanish", "opus"): (
        "https://dl.fbaipublicfiles.com/mls/mls_spanish_opus.tar.gz",
        "a2c4b0ff02a71f10ddb21beffbe640ce",
    ),
}


def test_the_addresses_and_checksums_are_complete():
    assert {
        (name, subset): (a.url, a.md5) for name, reader in READERS.items() for subset, a in reader.archives.items()
    } == OFFICIAL
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


def test_a_wrong_checksum_is_refused_and_nothing_is_unpacked(served, tmp_path, monkeypatch):
    folder, address = served
    archive = tiny_corpora.pack("librispeech", folder)
    published(monkeypatch, "librispeech", "dev-clean", f"{address}/{archive.name}", "0" * 32)
    with pytest.raises(DownloadError, match="md5 .* is not the published 0000.*; deleted"):
        fetch_corpus("librispeech", tmp_path / "corpus")
    assert not [path for path in (tmp_path / "corpus").rglob("*") if path.is_file()]
    with pytest.raises(CorpusError, match=r"tar\.gz: md5 .* is not the published 0000"):
        fetch_corpus("librispeech", tmp_path / "corpus", source=str(archive))
    assert archive.exists()  # the user's own file


@pytest.mark.parametrize("name", ["vctk", "librispeech"])
def test_a_half_downloaded_archive_is_refused_and_a_whole_one_continues(name, served, tmp_path, monkeypatch):
    folder, address = served
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


def test_what_cannot_be_fetched_is_named(tmp_path, served):
    folder, _ = served
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


def test_two_corpora_with_subsets_of_one_name_in_one_folder(served, tmp_path, monkeypatch):
    folder, address = served
    readers = dict(READERS)
    for name in ("librispeech", "libritts-r"):
        archive = tiny_corpora.pack(name, folder)
        archive = archive.rename(folder / f"{name}.tar.gz")
        readers[name] = replace(READERS[name], archives={"dev-clean": Archive(f"{address}/{archive.name}")})
    monkeypatch.setattr(module, "READERS", readers)
    for name in ("librispeech", "libritts-r"):
        fetch_corpus(name, tmp_path / "corpus", ("dev-clean",))
    assert len(list((tmp_path / "corpus").glob("LibriTTS_R/*/*/*/*.wav"))) == 6


def test_what_was_unpacked_and_is_gone_is_unpacked_again(served, tmp_path):
    archive = tiny_corpora.pack("speechocean762", served[0])
    said = []

    def again():
        said.clear()
        fetch_corpus("speechocean762", tmp_path / "corpus", source=str(archive), say=said.append)
        return sorted(path for path in (tmp_path / "corpus").rglob("*") if path.is_file())

    files = again()
    assert again() == files
    assert said == [f"all is in {tmp_path / 'corpus'} already"]
    shutil.rmtree(tmp_path / "corpus" / "speechocean762")
    assert again() == files
    (marker,) = (tmp_path / "corpus").glob(".*.unpacked")
    marker.write_text("{")  # cut off
    assert again() == files
    assert any(text.startswith("unpacking") for text in said)


def test_two_languages_in_one_folder_are_not_mixed(served, tmp_path):
    folder, _ = served
    spanish = tiny_corpora.pack("common-voice", folder)
    tree = folder / "tree" / "common-voice" / "cv-corpus-17.0-2024-03-15"
    with tarfile.open(folder / "it.tar.gz", "w:gz") as tar:
        tar.add(tree / "es", "cv-corpus-17.0-2024-03-15/it")
    corpus = tmp_path / "corpus"
    fetch_corpus("common-voice", corpus, source=str(spanish))
    alone = prepare_recordings(config_of("common-voice", corpus), tmp_path / "alone")
    fetch_corpus("common-voice", corpus, source=str(folder / "it.tar.gz"))
    with pytest.raises(CorpusError, match="holds 2 languages: set corpus.root to one"):
        prepare_recordings(config_of("common-voice", corpus), tmp_path / "both")
    one = config_of("common-voice", corpus / "cv-corpus-17.0-2024-03-15" / "es")
    assert prepare_recordings(one, tmp_path / "one").utterances == alone.utterances


def test_a_given_sha256_is_compared(served, tmp_path):
    folder, address = served
    archive = tiny_corpora.pack("common-voice", folder)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    said = []
    for source in (str(archive), f"{address}/{archive.name}"):
        with pytest.raises((CorpusError, DownloadError), match="sha256"):
            fetch_corpus("common-voice", tmp_path / "wrong", source=source, sha256="0" * 64)
        fetch_corpus("common-voice", tmp_path / source[:4], source=source, sha256=digest, say=said.append)
    assert not list((tmp_path / "wrong").rglob("*.tsv"))
    assert not any("no published checksum" in text for text in said)
