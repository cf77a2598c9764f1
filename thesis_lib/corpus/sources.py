"""Changes of the user's own recordings after they were prepared: of their table, and of the files that it names."""

import csv
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from thesis_lib.audio.decoding import READ_SUFFIXES
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.utils.files import fingerprint, write_text
from thesis_lib.utils.process import printable

# Corpora of the user's own recordings -> names of a table in their folder. Those of others are published, and stay.
OWN = {"manifest": ("pairs.csv", "pairs.tsv"), "speakers": ("utterances.tsv", "utterances.csv")}
PATH_COLUMNS = ("source_audio", "target_audio", "path")
RECORD = "sources.json"  # in the folder of the prepared corpus


class FileState(NamedTuple):
    """What a file was when its corpus was prepared."""

    size: int  # bytes
    changed_ns: int  # time of its last change
    fingerprint: str


def source_files(corpus: CorpusConfig) -> dict[str, Path]:
    """The files of a corpus, by their paths from its folder.

    None of a corpus that is not the user's own, and where its folder is not there, as on another machine.
    """
    root = Path(corpus.root) if corpus.root and corpus.name in OWN else None
    if root is None or not root.exists():
        return {}
    base = root if root.is_dir() else root.parent
    return {os.path.relpath(path, base): path for path in sorted(set(_files(root, corpus.name)))}


def source_states(corpus: CorpusConfig) -> dict[str, FileState]:
    """The state of each file of a corpus that is there; every one is read."""
    found = {name: (path, _stat(path)) for name, path in source_files(corpus).items()}
    return {name: FileState(*stat, _fingerprint(path)) for name, (path, stat) in found.items() if stat}


def record_sources(folder: Path, states: dict[str, FileState]) -> None:
    """Write the states of the files that the corpus in ``folder`` was prepared from."""
    if states:
        write_text(folder / RECORD, json.dumps(states) + "\n")


def require_same_sources(folder: Path, corpus: CorpusConfig) -> None:
    """Raise CorpusError, with the first changed file, where a corpus has changed since it was prepared in ``folder``.

    A file with another time of change, as a copy has, is read again.
    """
    record, now = folder / RECORD, source_files(corpus)
    if not now or not record.exists():  # an earlier version prepared it
        return
    before = {name: FileState(*state) for name, state in json.loads(record.read_text()).items()}
    names = sorted({*before, *(name for name, path in now.items() if name in before or _stat(path))})
    if changed := [name for name in names if not _is_same(before.get(name), now.get(name))]:
        raise CorpusError(
            f"{folder} was prepared before {printable(changed[0])} of {corpus.root} changed ({len(changed)} changed "
            "files): remove the run's folder corpus and run `thesis prepare` again, or restore the files"
        )


def _is_same(before: FileState | None, path: Path | None) -> bool:
    stat = _stat(path) if path else None
    if before is None or path is None or stat is None or stat[0] != before.size:
        return False
    return stat[1] == before.changed_ns or _fingerprint(path) == before.fingerprint


def _files(root: Path, name: str) -> Iterator[Path]:
    """The table and the recordings that it names; without a table, the recordings and texts of each speaker."""
    tables = [root] if root.is_file() else [root / table for table in OWN[name] if (root / table).is_file()]
    if not tables:
        yield from (path for path in root.glob("*/**/*") if path.suffix.lower() in (*READ_SUFFIXES, ".txt"))
        return
    yield tables[0]
    is_tsv = tables[0].suffix == ".tsv"
    with (
        open(tables[0], encoding="utf-8-sig", errors="replace", newline="") as stream,
        suppress(csv.Error),  # the reader of the corpus says what is wrong
    ):
        if is_tsv and name == "speakers":  # as its reader
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            rows = csv.DictReader(stream, delimiter="\t" if is_tsv else ",")
        for row in rows:
            yield from (tables[0].parent / row[column] for column in PATH_COLUMNS if row.get(column))


def _fingerprint(path: Path) -> str:
    """``fingerprint``; empty for a folder, and for a file that cannot be read."""
    try:
        return fingerprint(path)
    except OSError:
        return ""


def _stat(path: Path) -> tuple[int, int] | None:
    """Size and time of the last change; None of a file that is not there."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns
