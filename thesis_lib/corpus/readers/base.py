"""What a reader of a corpus of one language declares: licence, archives, and the rows that it finds in a folder."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from thesis_lib.corpus.cvss_t import CorpusError
from thesis_lib.corpus.manifest import Reject


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of one speaker."""

    file: str  # its id, without the corpus's name; also names the converted file
    split: str  # train, validation or test; empty: drawn by speaker
    speaker: str  # without the corpus's name
    path: Path
    text: str = ""  # empty: not transcribed
    gender: str = ""
    age: str = ""
    corpus: str = ""  # prefix of id and speaker instead of the corpus's name


@dataclass(frozen=True)
class Archive:
    """An archive at its official address."""

    url: str
    md5: str | None = None  # as published; None: there is no published checksum


# Maps an archive member's path to its path below the corpus's folder; None leaves the member out.
Place = Callable[[PurePosixPath], PurePosixPath | None]


@dataclass(frozen=True)
class Reader:
    """A corpus of one language."""

    name: str
    title: str
    licence: str
    citation: str  # key in book/references.bib; empty: the user's own recordings
    read: Callable[[Path], Iterable[Recording | Reject]]  # raises CorpusError for a wrong layout
    page: str = ""  # where its publisher describes it
    place: Place | None = None
    archives: dict[str, Archive] = field(default_factory=dict)  # {subset: archive}
    holds_test_split: bool = True  # official splits; False: drawn by speaker


def below(top: str) -> Place:
    """Keep the members below the folder ``top``, wherever the archive has it, with their path from there."""

    def place(path: PurePosixPath) -> PurePosixPath | None:
        return PurePosixPath(*path.parts[path.parts.index(top) :]) if top in path.parts[:-1] else None

    return place


def folder_of(root: Path, name: str, top: str, wanted: str) -> Path:
    """``root / top``, or ``root`` itself where it is that folder; it has ``wanted``, a glob pattern.

    Raises CorpusError with the command that downloads the corpus.
    """
    for folder in (root / top, root):
        if next(folder.glob(wanted), None):
            return folder
    raise CorpusError(
        f"{root} holds no {top}/{wanted}: `thesis download {name} --to {root}` fetches it, "
        "or set corpus.root to the folder that has it"
    )


def official_split(subset: str) -> str:
    """The split of a subset's name: dev and test are held out."""
    return "train" if subset.startswith("train") else "test"


def table_of(path: Path, separator: str | None = None, columns: int = 2) -> dict[str, list[str]]:
    """{first cell: other cells} of a table without quotes; missing cells are empty. ``separator`` None: white space.

    Raises CorpusError for a file that is missing or not UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path} cannot be read ({error}): download the corpus again") from error
    cells = ([cell.strip() for cell in line.split(separator, columns - 1)] for line in lines)
    return {row[0]: row[1:] + [""] * (columns - len(row)) for row in cells if row and row[0]}
