"""Archives from strangers: nothing leaves the folder, nothing is a link or a device, nothing grows without end."""

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

CHUNK = 1 << 20  # bytes
MOST_FILES = 2_000_000  # Common Voice 4 in Spanish holds some 200,000
MOST_BYTES = 500 * 10**9  # of one archive
LARGEST = 20 * 10**9  # bytes of one file


# Where a member goes, of its path in the archive; None: nowhere. The path itself has been found harmless.
Place = Callable[[PurePosixPath], PurePosixPath | None]


class UnpackError(ThesisError):
    """An archive that is damaged, or that tries something."""


def same(path: PurePosixPath) -> PurePosixPath:
    """The place that the archive gives."""
    return path


def members(archive: Path, place: Place = same) -> Iterator[tuple[PurePosixPath, int, IO[bytes]]]:
    """Place, size in bytes and stream of each regular file that has a place, in the archive's order, in one pass.

    For reading straight from the archive; a stream is good until the next one is asked for. Raises UnpackError, with
    the member's name, for a path that leads out, a link, a device, and sizes beyond the limits above.
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
        while raw.read(CHUNK):  # to the end: only there does a compressed file that was cut show
            pass


def unpack(archive: Path, folder: Path, place: Place = same, progress: Progress = silent) -> int:
    """The archive's files that have a place below ``folder``, each whole or not there; how many there are.

    Files that are there with the right size stay, so that an interrupted call goes on. Raises what ``members`` raises.
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
            chunk = stream.read(CHUNK)
        if not chunk:
            return
        yield chunk


@contextmanager
def _damage(archive: Path) -> Iterator[None]:
    """What the readers of tar and of the compressions raise, as one error."""
    try:
        yield
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise UnpackError(f"{archive}: damaged, or no tar archive ({error}): remove it and fetch it again") from error


def _opened(archive: Path) -> IO[bytes]:
    """The archive without its compression. The library's own readers check sums; tarfile's stream does not."""
    with open(archive, "rb") as stream:
        head = stream.read(6)
    for magic, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ\0", lzma)):
        if head.startswith(magic):
            return module.open(archive)
    return open(archive, "rb")


def _objection(member: tarfile.TarInfo, path: PurePosixPath, count: int, total: int) -> str:
    """Why a member cannot be trusted, or nothing."""
    parts = [part for part in path.parts if part != "."]
    return (
        "leads out of the folder" if path.is_absolute() or not all(map(is_plain_name, parts))
        else "is a link" if member.issym() or member.islnk()
        else "is neither file nor folder" if not (member.isreg() or member.isdir())
        else f"is larger than {LARGEST / 1e9:.0f} GB" if member.size > LARGEST
        else f"is the file after {MOST_FILES}" if count > MOST_FILES
        else f"brings the whole beyond {MOST_BYTES / 1e9:.0f} GB" if total > MOST_BYTES
        else ""
    )  # fmt: skip
