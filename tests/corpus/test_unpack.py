"""Archives that try something are refused by the member's name, and nothing is written outside."""

import io
import stat
import tarfile
import zipfile

import pytest

from thesis_lib.corpus import unpack as module
from thesis_lib.corpus.unpack import UnpackError, members, unpack

GOOD = {"train.tsv": b"a.mp3\tone\n", "train/a.mp3.wav": b"RIFF" * 1000, "test/b.mp3.wav": b"RIFF"}


def archive_of(path, files, *special, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for name, changes in special:
            member = tarfile.TarInfo(name)
            for key, value in changes.items():
                setattr(member, key, value)
            tar.addfile(member)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_files_come_out_as_they_went_in(tmp_path, mode):
    archive = archive_of(tmp_path / "a.tar", {f"./{name}": data for name, data in GOOD.items()}, mode=mode)
    assert unpack(archive, tmp_path / "out") == 3
    assert {str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")} == GOOD


def test_some_are_read_straight_from_the_archive(tmp_path):
    archive = archive_of(tmp_path / "a.tar", GOOD)

    def wavs(path):
        return path if path.suffix == ".wav" else None

    found = {str(path): (size, stream.read()) for path, size, stream in members(archive, wavs)}
    assert found == {name: (len(data), data) for name, data in GOOD.items() if name.endswith(".wav")}


def test_an_interrupted_call_goes_on(tmp_path):
    archive = archive_of(tmp_path / "a.tar", GOOD)
    unpack(archive, tmp_path / "out")
    kept, cut = tmp_path / "out" / "train.tsv", tmp_path / "out" / "train" / "a.mp3.wav"
    before = kept.stat().st_ino
    cut.write_bytes(b"RI")
    unpack(archive, tmp_path / "out")
    assert kept.stat().st_ino == before
    assert cut.read_bytes() == GOOD["train/a.mp3.wav"]


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("../out.txt", {}, "leads out"),
        ("train/../../out.txt", {}, "leads out"),
        ("/out.txt", {}, "leads out"),
        ("train/.hidden", {}, "leads out"),
        ("train/a\nb", {}, "leads out"),
        ("link", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "is a link"),
        ("link", {"type": tarfile.LNKTYPE, "linkname": "train.tsv"}, "is a link"),
        ("device", {"type": tarfile.CHRTYPE}, "neither"),
        ("device", {"type": tarfile.BLKTYPE}, "neither"),
        ("pipe", {"type": tarfile.FIFOTYPE}, "neither"),
    ],
)
def test_what_tries_something_is_refused_by_name(tmp_path, name, changes, reason):
    archive = archive_of(tmp_path / "a.tar", GOOD, (name, changes))
    with pytest.raises(UnpackError, match=reason) as refused:
        unpack(archive, tmp_path / "in" / "out")
    assert repr(name) in str(refused.value)
    written = {p.relative_to(tmp_path / "in" / "out") for p in (tmp_path / "in").rglob("*") if p.is_file()}
    assert {str(path) for path in written} == set(GOOD)


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("MAX_FILES", 2, "file after 2"),
        ("MAX_ARCHIVE_BYTES", 3000, "larger than 0 GB"),
        ("MAX_FILE_BYTES", 3000, "larger than"),
    ],
)
def test_bombs_stop_at_their_limit(tmp_path, monkeypatch, limit, value, reason):
    monkeypatch.setattr(module, limit, value)
    with pytest.raises(UnpackError, match=reason):
        unpack(archive_of(tmp_path / "a.tar", GOOD), tmp_path / "out")


def test_the_largest_corpus_is_within_the_limit():
    assert module.MAX_FILES > 2 * 2_400_000  # clips of Common Voice in English, which grows


@pytest.mark.parametrize("cut", [10, 100, -20])
def test_a_damaged_archive_is_said_to_be(tmp_path, cut):
    archive = archive_of(tmp_path / "a.tar", GOOD)
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(UnpackError, match="fetch it again"):
        unpack(archive, tmp_path / "out")


def zip_of(path, files, *modes):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
        for name, mode in modes:
            member = zipfile.ZipInfo(name)
            member.external_attr = mode << 16
            opened.writestr(member, "train.tsv")
    return path


def test_a_zip_comes_out_as_it_went_in(tmp_path):
    archive = zip_of(tmp_path / "a.zip", GOOD | {"empty/": b""})
    assert unpack(archive, tmp_path / "out") == 3
    assert {str(p.relative_to(tmp_path / "out")): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")} == GOOD


@pytest.mark.parametrize(
    ("name", "mode", "reason"),
    [
        ("../out.txt", stat.S_IFREG, "leads out"),
        ("/out.txt", 0, "leads out"),
        ("link", stat.S_IFLNK, "is a link"),
        ("pipe", stat.S_IFIFO, "neither"),
    ],
)
def test_a_zip_that_tries_something_is_refused_by_name(tmp_path, name, mode, reason):
    archive = zip_of(tmp_path / "a.zip", GOOD, (name, mode | 0o644))
    with pytest.raises(UnpackError, match=reason) as refused:
        unpack(archive, tmp_path / "in" / "out")
    assert repr(name) in str(refused.value)
    assert not (tmp_path / "in" / "out.txt").exists()


def test_a_damaged_zip_is_said_to_be(tmp_path):
    body = zip_of(tmp_path / "a.zip", GOOD).read_bytes()
    (tmp_path / "cut.zip").write_bytes(body[: len(body) // 2])
    stored = zip_of(tmp_path / "b.zip", {"a.wav": bytes(range(256)) * 400}).read_bytes()
    place = len(stored) // 3
    (tmp_path / "flipped.zip").write_bytes(stored[:place] + bytes([stored[place] ^ 255]) + stored[place + 1 :])
    for name in ("cut.zip", "flipped.zip"):
        with pytest.raises(UnpackError, match="fetch it again"):
            unpack(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out" / "a.wav").exists()


def test_hidden_files_of_other_systems_are_left_out_where_that_is_asked_for(tmp_path):
    hidden = {"train/._a.mp3.wav": b"mac", ".DS_Store": b"mac", ".git/config": b"[core]"}
    archive = archive_of(tmp_path / "a.tar.gz", hidden | GOOD)
    assert unpack(archive, tmp_path / "out", skip_hidden=True) == 3
    assert {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()} == set(GOOD)
    with pytest.raises(UnpackError, match="leads out"):
        unpack(archive, tmp_path / "other")
    escape = archive_of(tmp_path / "b.tar.gz", {"../out.txt": b"x"})
    with pytest.raises(UnpackError, match="leads out"):
        unpack(escape, tmp_path / "in" / "out", skip_hidden=True)
