"""Recordings of the user's own: a folder for each speaker, or a table utterances.tsv or utterances.csv.

The table's columns: path (from the table's folder) and speaker; and, where known, text, gender, age, split and corpus,
which then begins the ids instead of "speakers". Without a table, FOLDER/SPEAKER/…/NAME.wav is a recording of SPEAKER,
and NAME.txt beside it is its text.
"""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path

from thesis_lib.audio.decoding import READ_SUFFIXES
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Reject
from thesis_lib.corpus.readers.base import CorpusRecording, Reader, transcript_of
from thesis_lib.corpus.sources import OWN

TABLES = OWN["speakers"]
SPLITS = ("", "train", "validation", "test")


def read(root: Path) -> Iterator[CorpusRecording | Reject]:
    """The recordings in ``root``, by its table, or else by its folders. CorpusError for a wrong table or none."""
    for name in TABLES:
        if (root / name).is_file():
            return _by_table(root / name)
    found = sorted(path for path in root.glob("*/**/*") if path.suffix.lower() in READ_SUFFIXES and path.is_file())
    if not found:
        raise CorpusError(
            f"{root} has no SPEAKER/NAME.wav (or {', '.join(READ_SUFFIXES[1:5])}, and other audio and video files) "
            f"and no {' or '.join(TABLES)}: "
            "set corpus.root to the folder that holds one folder for each speaker"
        )
    ids = _Ids()
    return (_by_folder(path, path.relative_to(root), ids) for path in found)


def _by_folder(path: Path, inside: Path, ids: "_Ids") -> CorpusRecording:
    return CorpusRecording(ids.id_of(inside), "", inside.parts[0], path, transcript_of(path.with_suffix(".txt")))


def _by_table(table: Path) -> Iterator[CorpusRecording | Reject]:
    ids = _Ids()
    for number, row in enumerate(_rows(table), 1):
        given = {key: (row.get(key) or "").strip() for key in ("speaker", "text", "gender", "age", "corpus", "split")}
        path = Path(row["path"])
        if given["split"] not in SPLITS:
            known = ", ".join(SPLITS[1:])
            raise CorpusError(f"{table}, row {number}: the split {given['split']!r} is none of {known}")
        if not given["speaker"] or not path.name or path.is_absolute() or ".." in path.parts:
            reason = "unsafe file name" if given["speaker"] else "no speaker"
            yield Reject(id=row["path"], split=given["split"], reason=reason, detail=f"row {number} of {table.name}")
            continue
        yield CorpusRecording(ids.id_of(path, given["corpus"]), path=table.parent / path, **given)


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with open(table, encoding="utf-8-sig", newline="") as stream:
            rows = (
                csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
                if table.suffix == ".tsv"
                else csv.DictReader(stream, restval="")
            )
            missing = [column for column in ("path", "speaker") if column not in (rows.fieldnames or ())]
            if missing:
                raise CorpusError(f"{table} has no column {missing[0]!r}; it needs path and speaker")
            return list(rows)
    except (csv.Error, UnicodeDecodeError) as error:
        raise CorpusError(f"{table} is no table ({error}): write it as UTF-8 CSV or TSV") from error


class _Ids:
    """The ids of one corpus: two paths never have the same one."""

    def __init__(self) -> None:
        self._path_of: dict[tuple[str, str], Path] = {}

    def id_of(self, inside: Path, corpus: str = "") -> str:
        """The path with - between its parts, as folders may hold files of one name; without the corpus's own folder.

        Where an earlier path has that id, as of 1.wav and 1.mp3, or a-b/c and a/b-c, a hash of the path follows.
        """
        parts = inside.with_suffix("").parts
        id = "-".join(parts[1:] if corpus and parts[0] == corpus and len(parts) > 1 else parts)
        if self._path_of.setdefault((corpus, id), inside) == inside:
            return id
        return f"{id}-{hashlib.sha256(inside.as_posix().encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


READER = Reader(
    name="speakers",
    title="a folder of speakers",
    licence="The recordings are the user's own.",
    citation="",
    read=read,
    holds_test_split=False,
)
