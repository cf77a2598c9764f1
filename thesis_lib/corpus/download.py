"""Large files over unreliable connections: resumed, checked, never half there under their own name.

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

from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import sha256 as sha256_of
from thesis_lib.utils.files import write_text
from thesis_lib.utils.progress import Progress, silent

CHUNK = 1 << 20  # bytes
ATTEMPTS = 8  # in a row that bring nothing
LONGEST_PAUSE = 120.0  # s
TIMEOUT = 30.0  # s, without a byte
BUSY = (429, 500, 502, 503, 504)


class DownloadError(ThesisError):
    """A file that cannot be had; what has come so far stays for the next try."""


class _Broken(Exception):
    """Something that may be better at the next try, after ``wait`` seconds."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        self.wait = wait
        super().__init__(reason)


def download(
    url: str,
    target: Path,
    sha256: str | None = None,
    room: float = 1.0,
    progress: Progress = silent,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """``url`` -> ``target``, whole, with its sha256 in a file beside it.

    Goes on where an earlier call was interrupted if the server's file is still the same one, and begins anew if it is
    not. Waits as long as a busy server asks. ``room``: the free disk space to demand, in sizes of the file.

    Raises DownloadError: no such file, too little space, a server that keeps breaking off, another sha256 than given.
    """
    record = target.with_name(target.name + ".sha256")
    if target.exists() and record.exists():
        found = record.read_text().split()[0]
        if sha256 not in (None, found):
            raise DownloadError(f"{target} has the sha256 {found[:12]}…, {sha256[:12]}… is wanted: remove it")
        return target
    partial = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, partial, room, progress, pause)
        digest = sha256_of(partial)
        if sha256 not in (None, digest):
            _forget(partial)
            raise DownloadError(f"{url}: sha256 {digest[:12]}… is not the expected {sha256[:12]}…; deleted")
        write_text(record, f"{digest}  {target.name}\n")
        partial.replace(target)
        _forget(partial)
    except OSError as error:
        raise DownloadError(f"{target}: cannot write ({error.strerror or error}): free some space") from error
    return target


def _fetch(url: str, partial: Path, room: float, progress: Progress, pause: Callable[[float], None]) -> None:
    """Try until all bytes are in ``partial``, or several tries in a row have not got further than the best before."""
    idle, most = 0, _size(partial)
    while True:
        try:
            _once(url, partial, room, progress)
            return
        except _Broken as error:
            idle = 0 if _size(partial) > most else idle + 1
            most = max(most, _size(partial))
            if idle == ATTEMPTS:
                raise DownloadError(
                    f"{url}: given up after {ATTEMPTS} tries in a row, {error}; the same command goes on from there"
                ) from error
            pause(max(error.wait, min(2.0**idle, LONGEST_PAUSE)))


def _once(url: str, partial: Path, room: float, progress: Progress) -> None:
    """One request for what is missing. _Broken when it is not all there afterwards."""
    known = json.loads(_state(partial).read_text()) if _state(partial).exists() else {}
    have = _size(partial) if known.get("tag") else 0
    if have and have == known["size"]:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-", "If-Range": known["tag"]} if have else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
            if answer.status_code in BUSY:
                raise _Broken(f"the server answered {answer.status_code}", _asked(answer))
            if answer.status_code not in (200, 206):
                raise DownloadError(f"{url}: the server answered {answer.status_code} {answer.reason}: is it moved?")
            tag = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
            length = answer.headers.get("Content-Length")
            start = have if answer.status_code == 206 else 0
            size = start + int(length) if length else None
            if start and (tag, size) != (known["tag"], known["size"]):
                _forget(partial)
                raise _Broken("the file has changed on the server: from the beginning")
            _demand_room(url, partial, size, start, room)
            write_text(_state(partial), json.dumps({"size": size, "tag": tag}))
            total = math.ceil((size - start) / CHUNK) if size else 0
            with open(partial, "r+b" if start else "wb") as stream:
                stream.seek(start)
                for chunk in progress(answer.iter_content(CHUNK), total, f"{partial.stem}, MB"):
                    stream.write(chunk)
    except requests.RequestException as error:
        raise _Broken(f"the connection broke ({type(error).__name__})") from error
    if size is not None and _size(partial) != size:
        raise _Broken(f"it ended after {_size(partial)} of {size} bytes")


def _demand_room(url: str, partial: Path, size: int | None, start: int, room: float) -> None:
    needed, free = room * (size or 0) - start, shutil.disk_usage(partial.parent).free
    if needed > free:
        raise DownloadError(
            f"{url} needs {needed / 1e9:.1f} GB in {partial.parent}, {free / 1e9:.1f} GB are free: "
            "free some space, or choose another folder"
        )


def _asked(answer: requests.Response) -> float:
    """Seconds that a busy server asks to wait: a number or a date (RFC 9110, sec. 10.2.3)."""
    asked = answer.headers.get("Retry-After", "")
    if asked.isdigit():
        return float(asked)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _state(partial: Path) -> Path:
    """Where what the server said of the file is kept, as long as it is not whole."""
    return partial.with_name(partial.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _forget(partial: Path) -> None:
    for path in (partial, _state(partial)):
        path.unlink(missing_ok=True)
