"""What a reader of a corpus of one language declares: licence, archives, and the rows that it finds in a folder."""

import shlex
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Reject
from thesis_lib.corpus.unpack import Place


@dataclass(frozen=True, slots=True)
class CorpusRecording:
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
    md5: str | None = None  # as published; None: there is no published md5
    sha256: str | None = None  # as the user gives it


@dataclass(frozen=True)
class Reader:
    """A corpus of one language."""

    name: str
    title: str
    licence: str
    citation: str  # key in book/references.bib; empty: the user's own recordings
    read: Callable[[Path], Iterable[CorpusRecording | Reject]]  # raises CorpusError for a wrong layout
    page: str = ""  # where its publisher describes it
    place: Place | None = None
    archives: dict[str, Archive] = field(default_factory=dict)  # {subset: archive}
    holds_test_split: bool = True  # official splits; False: drawn by speaker
    min_duration: float = 1.0  # s, corpus.min_duration of the command that is printed after a download
    max_duration: float = 30.0  # s, corpus.max_duration of that command
    # What a speaker's id begins with where splits are drawn and compared: the same for corpora with ids of one
    # register of people; None: the corpus's name.
    speaker_space: str | None = None


def below(top: str) -> Place:
    """Keep the members below the folder ``top``, wherever the archive has it, with their path from there."""

    def place(path: PurePosixPath) -> PurePosixPath | None:
        return PurePosixPath(*path.parts[path.parts.index(top) :]) if top in path.parts[:-1] else None

    return place


def folder_of(root: Path, name: str, top: str, wanted: str, subset: str = "") -> Path:
    """``root / top``, or ``root`` itself where it is that folder; it has ``wanted``, a glob pattern.

    Raises CorpusError with the command that downloads the corpus, or ``subset`` of one that has several archives.
    """
    for folder in (root / top, root):
        if next(folder.glob(wanted), None):
            return folder
    command = f"thesis download {name} {f'--subset {subset} ' if subset else ''}--to {shlex.quote(str(root))}"
    raise CorpusError(
        f"{root} holds no {top}/{wanted}: `{command}` fetches {subset or 'it'}, "
        "or set corpus.root to the folder that has it"
    )


def official_split(subset: str) -> str:
    """The split of a subset's name: dev and test are held out. CorpusError for any other name."""
    if subset.startswith("train"):
        return "train"
    if subset.startswith(("dev", "test")):
        return "test"
    raise CorpusError(f"the subset {subset!r} is neither train, dev nor test: move its folder out of corpus.root")


def rows_of(path: Path, separator: str | None = None, columns: int = 2) -> Iterator[list[str]]:
    """The cells of each line of a table without quotes; missing cells are empty. ``separator`` None: white space.

    Bytes that are not UTF-8 become lone surrogates, so that only their row is rejected. Raises CorpusError for a file
    that cannot be read.
    """
    # Not splitlines, which also splits at U+2028 and other characters inside a text.
    for line in text_of(path).split("\n"):
        row = [cell.strip() for cell in line.split(separator, columns - 1)]
        if row and row[0]:
            yield row + [""] * (columns - len(row))


def table_of(path: Path, separator: str | None = None, columns: int = 2) -> dict[str, list[str]]:
    """{first cell: other cells} of a table such as ``rows_of`` reads; of a repeated first cell, the last row."""
    return {row[0]: row[1:] for row in rows_of(path, separator, columns)}


def genders_of(path: Path, separator: str, columns: int) -> dict[str, str]:
    """{speaker: gender} of a table of speakers with the gender in its second column; empty where there is none."""
    if not path.exists():
        return {}
    return {speaker: gender for speaker, (gender, *_) in table_of(path, separator, columns).items()}


def transcript_of(path: Path) -> str:
    """The words of a recording, from a text file of its own; empty where there is none."""
    return text_of(path).strip() if path.exists() else ""


def text_of(path: Path) -> str:
    """The content of a text file. Bytes that are not UTF-8 become lone surrogates. CorpusError where it is missing."""
    try:
        return path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise CorpusError(f"{path} cannot be read ({error}): download the corpus again") from error
