"""Download and unpack corpora from their official addresses into the folders that their readers expect."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from thesis_lib.config import CorpusConfig
from thesis_lib.corpus.cvss_t import SPLITS, Release
from thesis_lib.corpus.download import download
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.readers import READERS, Archive, Reader
from thesis_lib.corpus.unpack import Place, unpack
from thesis_lib.utils.files import md5 as md5_of
from thesis_lib.utils.files import sha256 as sha256_of
from thesis_lib.utils.files import write_text
from thesis_lib.utils.progress import Progress, silent

DISK_SPACE_FACTOR = 2.5  # of an archive's size: itself and its unpacked files


def fetch_cvss_t(
    folder: Path,
    config: CorpusConfig,
    common_voice: str | None = None,
    keep: bool = False,
    progress: Progress = silent,
    say: Callable[[str], None] = print,
) -> Release:
    """Fetch CVSS-T and CoVoST's table from their addresses, and Common Voice 4 from ``common_voice``, to ``folder``.

    Common Voice requires consent to its terms: ``common_voice`` is the signed link that its page then gives, or the
    downloaded archive. Without it, the folder of Common Voice must exist. A source that has been unpacked is not
    fetched again; archives are removed after unpacking, except with ``keep``.

    Raises CorpusError without Common Voice; DownloadError; UnpackError.
    """
    release = Release.at(folder)
    if not common_voice and not (release.common_voice / "validated.tsv").exists():
        page = READERS["common-voice"].page
        raise CorpusError(
            f"{release.common_voice} is missing. Accept the terms of Common Voice 4, Spanish "
            f"({config.common_voice_page}; since October 2025 {page}), "
            "then give the signed link, or the file it leads to, with --common-voice"
        )
    sources = [
        (config.covost_url, release.covost, release.covost.parent, lambda path: _table(path, release.covost.name)),
        (config.cvss_url, release.cvss / f"{SPLITS[-1]}.tsv", release.cvss, _cvss),
    ]
    if common_voice:
        last = release.common_voice / "validated.tsv"
        sources.append((common_voice, last, release.common_voice, _common_voice))
    for source, last_file, target, place in sources:
        marker = folder / f".{last_file.name}.whole"
        if marker.exists() and last_file.exists():
            continue
        archive = _obtained(Archive(source), folder, progress, say)
        say(f"unpacking {archive.name}")
        if not unpack(archive, target, place, progress) or not last_file.exists():
            raise CorpusError(f"{archive} holds no {last_file.name}: check that it is the right archive")
        marker.touch()
        _remove(source, archive, keep)
    return release


def fetch_corpus(
    name: str,
    folder: Path,
    subsets: Sequence[str] = (),
    source: str | None = None,
    keep: bool = False,
    progress: Progress = silent,
    say: Callable[[str], None] = print,
    sha256: str | None = None,
) -> None:
    """Fetch subsets of a corpus of one language to ``folder``, checked by the published md5, and unpack them there.

    ``source``: a mirror's address or a file instead of the official address of the one subset; for Common Voice, the
    signed link or the archive that it leads to, with the ``sha256`` that its publisher gives. A subset that has been
    unpacked, and still is there, is not fetched again.

    Raises CorpusError for an unknown corpus or subset and for a file with another md5 or sha256; DownloadError;
    UnpackError.
    """
    reader = READERS.get(name)
    if reader is None or reader.place is None:
        raise CorpusError(f"no corpus named {name!r} to download; known: {', '.join(known_corpora())}")
    for subset, archive in _chosen(reader, subsets, source, sha256):
        marker = folder / f".{name}.{subset or PurePosixPath(_address(archive.url)).name}.unpacked"
        if _is_unpacked(folder, marker):
            say(f"{subset or name} is in {folder} already")
            continue
        archive = replace(archive, sha256=sha256)
        path = _obtained(archive, folder, progress, say)
        if archive.md5 is None and sha256 is None:
            say(
                f"no published checksum for {path.name}: the archive's own check sums are verified while it is unpacked"
            )
        say(f"unpacking {path.name}")
        sample = _Sample(reader.place)
        if not unpack(path, folder, sample, progress, skip_hidden=True):
            raise CorpusError(f"{path} holds nothing of {reader.title}: check that it is the right archive")
        write_text(marker, json.dumps({"files": sample.count, "some": sample.paths}, indent=2) + "\n")
        _remove(archive.url, path, keep)


def known_corpora() -> list[str]:
    """The names of the corpora that can be downloaded."""
    return ["cvss-t", *(reader.name for reader in READERS.values() if reader.place)]


@dataclass
class _Sample:
    """Place an archive's members, and note the 1st, 2nd, 4th, 8th, … path: an archive may have millions of files."""

    place: Place
    count: int = 0
    paths: list[str] = field(default_factory=list)

    def __call__(self, path: PurePosixPath) -> PurePosixPath | None:
        placed = self.place(path)
        if placed is not None:
            self.count += 1
            if self.count.bit_count() == 1:  # a power of two
                self.paths.append(placed.as_posix())
        return placed


def _is_unpacked(folder: Path, marker: Path) -> bool:
    """Whether an archive has been unpacked to the folder, and the files that its marker names are still there."""
    try:
        return all((folder / path).is_file() for path in json.loads(marker.read_text(encoding="utf-8"))["some"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _chosen(
    reader: Reader, subsets: Sequence[str], source: str | None, sha256: str | None
) -> list[tuple[str, Archive]]:
    """The subsets with their archives; the only one of a corpus need not be named."""
    if not reader.archives:
        if source is None:
            raise CorpusError(
                f"{reader.title} gives a signed link only to those who accept its terms ({reader.page}): "
                "give that link, or the archive it leads to, with --archive"
            )
        return [("", Archive(source))]
    names = list(subsets) or (list(reader.archives) if len(reader.archives) == 1 else [])
    unknown = [subset for subset in names if subset not in reader.archives]
    if unknown or not names:
        problem = f"has no subset {unknown[0]!r}" if unknown else "has several archives: name some with --subset"
        raise CorpusError(f"{reader.title} {problem}; known: {', '.join(reader.archives)}")
    if (source is not None or sha256 is not None) and len(names) > 1:
        raise CorpusError("--archive or --sha256 stands for one subset: name that one with --subset")
    return [(name, Archive(source or reader.archives[name].url, reader.archives[name].md5)) for name in names]


def _obtained(wanted: Archive, folder: Path, progress: Progress, say: Callable[[str], None]) -> Path:
    """The archive's file: downloaded to the folder, or the user's own; its checksum must be the published one."""
    source = wanted.url
    if "://" in source:
        address = _address(source)
        say(f"fetching {address}")
        archive = folder / "archives" / PurePosixPath(address).name
        return download(source, archive, wanted.sha256, DISK_SPACE_FACTOR, progress, md5=wanted.md5)
    archive = Path(source)
    if not archive.is_file():
        raise CorpusError(f"{archive} is no file: give an address, or the path of the downloaded archive")
    for kind, published, hashed in (("md5", wanted.md5, md5_of), ("sha256", wanted.sha256, sha256_of)):
        if published is not None and (found := hashed(archive)) != published:
            raise CorpusError(
                f"{archive}: {kind} {found} is not the published {published}: the file is incomplete, damaged or "
                "another one"
            )
    return archive


def _address(source: str) -> str:
    return source.split("?")[0]  # the key of a signed link is not printed


def _remove(source: str, archive: Path, keep: bool) -> None:
    if "://" in source and not keep:
        archive.unlink()


def _table(path: PurePosixPath, name: str) -> PurePosixPath | None:
    """The path of CoVoST's table below the folder; None for every other file."""
    return PurePosixPath(name) if path.name == name else None


def _cvss(path: PurePosixPath) -> PurePosixPath | None:
    """SPLIT.tsv and SPLIT/NAME.wav, from any folder of the archive; None for other files."""
    if path.name in {f"{split}.tsv" for split in SPLITS}:
        return PurePosixPath(path.name)
    return _with_folder(path) if path.suffix == ".wav" and path.parent.name in SPLITS else None


def _common_voice(path: PurePosixPath) -> PurePosixPath | None:
    """validated.tsv and clips/NAME.mp3, from any folder of the archive; None for other files."""
    if path.name == "validated.tsv":
        return PurePosixPath(path.name)
    return _with_folder(path) if path.suffix == ".mp3" and path.parent.name == "clips" else None


def _with_folder(path: PurePosixPath) -> PurePosixPath:
    return PurePosixPath(*path.parts[-2:])
