"""Download and unpack CVSS-T, CoVoST 2 and Common Voice 4 into the folders that ``Release.at`` expects."""

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from thesis_lib.config import CorpusConfig
from thesis_lib.corpus.cvss_t import SPLITS, CorpusError, Release
from thesis_lib.corpus.download import download
from thesis_lib.corpus.unpack import unpack
from thesis_lib.utils.progress import Progress, silent

DISK_SPACE_FACTOR = 2.5  # of an archive's size: itself and its unpacked files


def fetch(
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
        raise CorpusError(
            f"{release.common_voice} is missing. Accept the terms of Common Voice 4, Spanish "
            f"({config.common_voice_page}), then give the signed link, or the file it leads to, with --common-voice"
        )
    parts = [
        (config.covost_url, release.covost, release.covost.parent, lambda path: _table(path, release.covost.name)),
        (config.cvss_url, release.cvss / f"{SPLITS[-1]}.tsv", release.cvss, _cvss),
    ]
    if common_voice:
        last = release.common_voice / "validated.tsv"
        parts.append((common_voice, last, release.common_voice, _common_voice))
    for source, sign, target, place in parts:
        done = folder / f".{sign.name}.whole"
        if done.exists() and sign.exists():
            continue
        archive = Path(source)
        if "://" in source:
            address = source.split("?")[0]  # the key of a signed link is not printed
            say(f"fetching {address}")
            archive = folder / "archives" / PurePosixPath(address).name
            download(source, archive, None, DISK_SPACE_FACTOR, progress)
        say(f"unpacking {archive.name}")
        if not unpack(archive, target, place, progress) or not sign.exists():
            raise CorpusError(f"{archive} holds no {sign.name}: check that it is the right archive")
        done.touch()
        if "://" in source and not keep:
            archive.unlink()
    return release


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
