"""Atomic writes and hashes of files."""

import functools
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sha256(path: Path) -> str:
    """Return the sha256 of a file in hex digits. OSError where it cannot be read."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def md5(path: Path) -> str:
    """Return the md5 of a file in hex digits, to compare it with a published one. OSError where it cannot be read."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file; it replaces ``path`` at the end of the block, and is removed at an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".partial-{secrets.token_hex(8)}{path.suffix}"
    try:  # the name is known before the file exists, so that a signal which raises leaves none
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        yield partial
        partial.chmod(0o644)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def fingerprint(path: Path) -> str:
    """Return the first 16 hex digits of the sha256 of a file."""
    return sha256(path)[:16]


def cached_fingerprint(path: Path) -> str:
    """``fingerprint``, computed once for a large file that is asked for several times and is not changed meanwhile."""
    state = path.stat()
    return _fingerprint(path.resolve(), (state.st_ino, state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=64)
def _fingerprint(path: Path, state: tuple[int, int, int]) -> str:
    return fingerprint(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8 atomically: a reader sees the old file or the new one, never a part of it."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
