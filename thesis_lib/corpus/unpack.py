"""Unpack untrusted tar and zip archives: no path outside the folder, no link, no device, and limits on sizes."""

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from thesis_lib.corpus.manifest import is_plain_name
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import replacing
from thesis_lib.utils.progress import Progress, silent

CHUNK_BYTES = 1 << 20
MAX_FILES = 10_000_000  # of one archive; Common Voice in English has some 2,400,000
MAX_ARCHIVE_BYTES = 500 * 10**9  # unpacked
MAX_FILE_BYTES = 20 * 10**9

# Maps a member's path, already checked, to its path below the folder; None leaves the member out.
Place = Callable[[PurePosixPath], PurePosixPath | None]


class UnpackError(ThesisError):
    """A damaged or an unsafe archive."""


def same(path: PurePosixPath) -> PurePosixPath:
    """The member's own path."""
    return path


@dataclass(frozen=True)
class _Member:
    """One member of an archive of either kind."""

    name: str
    size: int  # bytes
    kind: str  # file, folder, link or other
    open: Callable[[], IO[bytes]]


def members(
    archive: Path, place: Place = same, skip_hidden: bool = False
) -> Iterator[tuple[PurePosixPath, int, IO[bytes]]]:
    """Path, size in bytes and stream of each regular file that has a place, in the archive's order, in one pass.

    A stream is valid until the next one is requested. ``skip_hidden`` leaves out names that begin with a dot, such as
    macOS adds; otherwise they are refused. Raises UnpackError with the member's name for a path outside the folder, a
    link, a device, or a size above the limits.
    """
    count = total = 0
    with _damage(archive), closing((_zip if _head(archive).startswith(b"PK\x03\x04") else _tar)(archive)) as found:
        for member in found:
            path = PurePosixPath(member.name)
            count, total = count + 1, total + member.size
            if skip_hidden and any(part.startswith(".") and part.strip(".") for part in path.parts):
                continue
            reason = _objection(member, path, count, total)
            if reason:
                raise UnpackError(f"{archive}: {member.name!r} {reason}; nothing further is read")
            if member.kind == "file" and (placed := place(path)):
                yield placed, member.size, member.open()


def _tar(archive: Path) -> Generator[_Member, None, None]:
    with _opened(archive) as raw, tarfile.open(fileobj=raw, mode="r|") as tar:
        for member in tar:
            kind = (
                "file" if member.isreg() else "folder" if member.isdir()
                else "link" if member.issym() or member.islnk() else "other"
            )  # fmt: skip
            yield _Member(member.name, member.size, kind, partial(_extracted, tar, member))
        while raw.read(CHUNK_BYTES):  # a truncated compressed file shows at its end only
            pass


def _extracted(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    return cast(IO[bytes], tar.extractfile(member))


def _zip(archive: Path) -> Generator[_Member, None, None]:
    """Reading a member to its end checks its CRC."""
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            mode = member.external_attr >> 16
            type_ = stat.S_IFMT(mode)  # 0: made on a system without file types
            kind = (
                "folder" if member.is_dir() else "link" if type_ == stat.S_IFLNK
                else "file" if type_ in (0, stat.S_IFREG) else "other"
            )  # fmt: skip
            yield _Member(member.filename, member.file_size, kind, partial(opened.open, member))


def unpack(
    archive: Path, folder: Path, place: Place = same, progress: Progress = silent, skip_hidden: bool = False
) -> int:
    """Unpack the files that have a place below ``folder``, each atomically; returns their number.

    Existing files of the right size are kept, so that an interrupted call continues. Raises what ``members`` raises.
    """
    count = 0
    for path, size, stream in progress(members(archive, place, skip_hidden), 0, f"unpack {archive.name}"):
        count += 1
        target = folder.joinpath(*path.parts)
        if target.is_file() and target.stat().st_size == size:
            continue
        with replacing(target) as partial, open(partial, "wb") as out:
            for chunk in _chunks(archive, stream):
                out.write(chunk)
    return count


def _chunks(archive: Path, stream: IO[bytes]) -> Iterator[bytes]:
    while True:
        with _damage(archive):
            chunk = stream.read(CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


@contextmanager
def _damage(archive: Path) -> Iterator[None]:
    """Convert the errors of tarfile, zipfile and the decompressors to UnpackError."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise UnpackError(
            f"{archive}: damaged, or no tar or zip archive ({error}): remove it and fetch it again"
        ) from error


def _head(archive: Path) -> bytes:
    with open(archive, "rb") as stream:
        return stream.read(6)


def _opened(archive: Path) -> IO[bytes]:
    """The decompressed archive. These readers verify checksums; tarfile's own stream mode does not."""
    head = _head(archive)
    for magic, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ\0", lzma)):
        if head.startswith(magic):
            return module.open(archive)
    return open(archive, "rb")


def _objection(member: _Member, path: PurePosixPath, count: int, total: int) -> str:
    """The reason to refuse a member; empty for a safe one."""
    parts = [part for part in path.parts if part != "."]
    return (
        "leads out of the folder" if path.is_absolute() or not all(map(is_plain_name, parts))
        else "is a link" if member.kind == "link"
        else "is neither file nor folder" if member.kind not in ("file", "folder")
        else f"is larger than {MAX_FILE_BYTES / 1e9:.0f} GB" if member.size > MAX_FILE_BYTES
        else f"is the file after {MAX_FILES}" if count > MAX_FILES
        else f"makes the archive larger than {MAX_ARCHIVE_BYTES / 1e9:.0f} GB" if total > MAX_ARCHIVE_BYTES
        else ""
    )  # fmt: skip
