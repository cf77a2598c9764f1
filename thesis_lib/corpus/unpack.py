"""Unpack untrusted tar archives: no path outside the folder, no link, no device, and limits on sizes."""

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, cast

from thesis_lib.corpus.manifest import is_plain_name
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import replacing
from thesis_lib.utils.progress import Progress, silent

CHUNK_BYTES = 1 << 20
MAX_FILES = 2_000_000  # of one archive; Common Voice 4 in Spanish has some 200,000
MAX_ARCHIVE_BYTES = 500 * 10**9  # unpacked
MAX_FILE_BYTES = 20 * 10**9

# Maps a member's path, already checked, to its path below the folder; None leaves the member out.
Place = Callable[[PurePosixPath], PurePosixPath | None]


class UnpackError(ThesisError):
    """A damaged or an unsafe archive."""


def same(path: PurePosixPath) -> PurePosixPath:
    """The member's own path."""
    return path


def members(archive: Path, place: Place = same) -> Iterator[tuple[PurePosixPath, int, IO[bytes]]]:
    """Path, size in bytes and stream of each regular file that has a place, in the archive's order, in one pass.

    A stream is valid until the next one is requested. Raises UnpackError with the member's name for a path outside the
    folder, a link, a device, or a size above the limits.
    """
    count = total = 0
    with _damage(archive), _opened(archive) as raw, tarfile.open(fileobj=raw, mode="r|") as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            count, total = count + 1, total + member.size
            reason = _objection(member, path, count, total)
            if reason:
                raise UnpackError(f"{archive}: {member.name!r} {reason}; nothing further is read")
            if member.isreg() and (placed := place(path)):
                yield placed, member.size, cast(IO[bytes], tar.extractfile(member))
        while raw.read(CHUNK_BYTES):  # a truncated compressed file shows at its end only
            pass


def unpack(archive: Path, folder: Path, place: Place = same, progress: Progress = silent) -> int:
    """Unpack the files that have a place below ``folder``, each atomically; returns their number.

    Existing files of the right size are kept, so that an interrupted call continues. Raises what ``members`` raises.
    """
    count = 0
    for path, size, stream in progress(members(archive, place), 0, f"unpack {archive.name}"):
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
    """Convert the errors of tarfile and of the decompressors to UnpackError."""
    try:
        yield
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise UnpackError(f"{archive}: damaged, or no tar archive ({error}): remove it and fetch it again") from error


def _opened(archive: Path) -> IO[bytes]:
    """The decompressed archive. These readers verify checksums; tarfile's own stream mode does not."""
    with open(archive, "rb") as stream:
        head = stream.read(6)
    for magic, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ\0", lzma)):
        if head.startswith(magic):
            return module.open(archive)
    return open(archive, "rb")


def _objection(member: tarfile.TarInfo, path: PurePosixPath, count: int, total: int) -> str:
    """The reason to refuse a member; empty for a safe one."""
    parts = [part for part in path.parts if part != "."]
    return (
        "leads out of the folder" if path.is_absolute() or not all(map(is_plain_name, parts))
        else "is a link" if member.issym() or member.islnk()
        else "is neither file nor folder" if not (member.isreg() or member.isdir())
        else f"is larger than {MAX_FILE_BYTES / 1e9:.0f} GB" if member.size > MAX_FILE_BYTES
        else f"is the file after {MAX_FILES}" if count > MAX_FILES
        else f"makes the archive larger than {MAX_ARCHIVE_BYTES / 1e9:.0f} GB" if total > MAX_ARCHIVE_BYTES
        else ""
    )  # fmt: skip
