"""Download large files: resumed after an interruption, checked by sha256 or md5, renamed only when complete.

HTTP ranges and conditional requests: RFC 9110, sections 13 and 14.
"""

import email.utils
import json
import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import requests
from requests.exceptions import InvalidSchema, InvalidURL, MissingSchema

from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import md5 as md5_of
from thesis_lib.utils.files import sha256 as sha256_of
from thesis_lib.utils.files import write_text
from thesis_lib.utils.progress import Progress, silent

CHUNK_BYTES = 1 << 20
MAX_ATTEMPTS = 8  # in a row without a new byte
MAX_PAUSE_SECONDS = 120.0
TIMEOUT_SECONDS = 30.0  # without a byte
RETRY_STATUSES = (429, 500, 502, 503, 504)


class DownloadError(ThesisError):
    """A failed download; the bytes so far are kept for the next attempt."""


class _Broken(Exception):
    """A failure that another attempt, after ``wait`` seconds, may not have."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        self.wait = wait
        super().__init__(reason)


def download(
    url: str,
    target: Path,
    sha256: str | None = None,
    disk_space_factor: float = 1.0,
    progress: Progress = silent,
    pause: Callable[[float], None] = time.sleep,
    md5: str | None = None,
) -> Path:
    """Download ``url`` to ``target``, with its sha256 in a file beside it.

    Continues an interrupted download if the server still has the same file, and restarts if it has another one. Waits
    as long as a busy server asks for. ``disk_space_factor``: the free disk space to require, in multiples of the file's
    size.

    Raises DownloadError: no such file, too little space, repeated failures, or another sha256 or md5 than expected.
    """
    record = target.with_name(target.name + ".sha256")
    if target.exists() and record.exists():
        found = record.read_text().split()[0]
        if sha256 not in (None, found):
            raise DownloadError(f"{target} has the sha256 {found[:12]}…, {sha256[:12]}… is expected: remove it")
        if md5 is not None and (present := md5_of(target)) != md5:
            raise DownloadError(f"{target} has the md5 {present}, {md5} is published: remove it")
        return target
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, partial, disk_space_factor, progress, pause)
        digest = sha256_of(partial)
        if sha256 not in (None, digest):
            _forget(partial)
            raise DownloadError(f"{url}: sha256 {digest[:12]}… is not the expected {sha256[:12]}…; deleted")
        if md5 is not None and (found := md5_of(partial)) != md5:
            _forget(partial)
            raise DownloadError(f"{url}: md5 {found} is not the published {md5}; deleted")
        write_text(record, f"{digest}  {target.name}\n")
        partial.replace(target)
        _forget(partial)
    except OSError as error:
        raise DownloadError(f"{target}: cannot write ({error.strerror or error}): free some space") from error
    return target


def _fetch(
    url: str, partial: Path, disk_space_factor: float, progress: Progress, pause: Callable[[float], None]
) -> None:
    """Repeat requests until ``partial`` is complete, or MAX_ATTEMPTS in a row have brought no new byte."""
    idle, most = 0, _size(partial)
    while True:
        try:
            _once(url, partial, disk_space_factor, progress)
            return
        except _Broken as error:
            idle = 0 if _size(partial) > most else idle + 1
            most = max(most, _size(partial))
            if idle == MAX_ATTEMPTS:
                raise DownloadError(
                    f"{url}: given up after {MAX_ATTEMPTS} attempts in a row, {error}; "
                    "the same command continues from there"
                ) from error
            pause(max(error.wait, min(2.0**idle, MAX_PAUSE_SECONDS)))


def _once(url: str, partial: Path, disk_space_factor: float, progress: Progress) -> None:
    """One request for the missing bytes. _Broken when the file is still incomplete."""
    known = json.loads(_state(partial).read_text()) if _state(partial).exists() else {}
    have = _size(partial) if known.get("tag") else 0
    if have and have == known["size"]:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-", "If-Range": known["tag"]} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as answer:
            if answer.status_code in RETRY_STATUSES:
                raise _Broken(f"the server answered {answer.status_code}", _asked(answer))
            if answer.status_code not in (200, 206):
                raise DownloadError(
                    f"{url}: the server answered {answer.status_code} {answer.reason}: check the address"
                )
            tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            length = answer.headers.get("Content-Length")
            start = have if answer.status_code == 206 else 0
            size = start + int(length) if length else None
            if start and (tag, size) != (known["tag"], known["size"]):
                _forget(partial)
                raise _Broken("the file has changed on the server, the download restarts")
            _require_disk_space(url, partial, size, start, disk_space_factor)
            write_text(_state(partial), json.dumps({"size": size, "tag": tag}))
            total = math.ceil((size - start) / CHUNK_BYTES) if size else 0
            with open(partial, "r+b" if start else "wb") as stream:
                stream.seek(start)
                for chunk in progress(answer.iter_content(CHUNK_BYTES), total, f"{partial.stem}, MB"):
                    stream.write(chunk)
    except (InvalidURL, InvalidSchema, MissingSchema) as error:
        raise DownloadError(f"{url} is no address ({error}): check it") from error
    except requests.RequestException as error:
        raise _Broken(f"the connection broke ({type(error).__name__})") from error
    if size is not None and _size(partial) != size:
        raise _Broken(f"it ended after {_size(partial)} of {size} bytes")


def _require_disk_space(url: str, partial: Path, size: int | None, start: int, disk_space_factor: float) -> None:
    needed, free = disk_space_factor * (size or 0) - start, shutil.disk_usage(partial.parent).free
    if needed > free:
        raise DownloadError(
            f"{url} needs {needed / 1e9:.1f} GB in {partial.parent}, {free / 1e9:.1f} GB are free: "
            "free some space, or choose another folder"
        )


def _asked(answer: requests.Response) -> float:
    """Seconds to wait that a busy server asks for, as a number or a date (RFC 9110, sec. 10.2.3)."""
    asked = answer.headers.get("Retry-After", "")
    if asked.isdigit():
        return float(asked)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _state(partial: Path) -> Path:
    """The file that keeps the size and tag of an incomplete download."""
    return partial.with_name(partial.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _forget(partial: Path) -> None:
    for path in (partial, _state(partial)):
        path.unlink(missing_ok=True)
