"""Changes of the user's own recordings after they were prepared: of their table, and of the files that it names."""

import csv
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from thesis_lib.audio.decoding import READ_SUFFIXES
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.utils.files import write_text
from thesis_lib.utils.process import printable

# Corpora of the user's own recordings -> names of a table in their folder. Those of others are published, and stay.
OWN = {"manifest": ("pairs.csv", "pairs.tsv"), "speakers": ("utterances.tsv", "utterances.csv")}
PATH_COLUMNS = ("source_audio", "target_audio", "path")
RECORD = "sources.json"  # in the folder of the prepared corpus
State = dict[
    str, list[int]
]  # file, from the corpus's folder -> its size in bytes and the time of its last change in ns


def source_state(corpus: CorpusConfig) -> State | None:
    """The state of a corpus's files.

    None for a corpus that is not the user's own, and where its files are not there, as on another machine.
    """
    root = Path(corpus.root) if corpus.root and corpus.name in OWN else None
    if root is None or not root.exists():
        return None
    base = root if root.is_dir() else root.parent
    return {os.path.relpath(path, base): _state(path) for path in sorted(set(_files(root, corpus.name)))} or None


def record_sources(folder: Path, state: State | None) -> None:
    """Write the state of the files that the corpus in ``folder`` was prepared from."""
    if state is not None:
        write_text(folder / RECORD, json.dumps(state) + "\n")


def require_same_sources(folder: Path, corpus: CorpusConfig) -> None:
    """Raise CorpusError, with the first changed file, where a corpus has changed since it was prepared in ``folder``.

    Where the times of all files differ, and nothing else, they were copied.
    """
    record, now = folder / RECORD, source_state(corpus)
    if now is None or not record.exists():  # an earlier version prepared it
        return
    before: State = json.loads(record.read_text())
    changed = sorted(name for name in {**before, **now} if before.get(name) != now.get(name))
    sizes_differ = any(before.get(name, [0])[0] != now.get(name, [0])[0] for name in changed)
    if changed and (sizes_differ or len(changed) < len(now) or before.keys() != now.keys()):
        raise CorpusError(
            f"{folder} was prepared before {printable(changed[0])} of {corpus.root} changed ({len(changed)} changed "
            "files): remove the run's folder corpus and run `thesis prepare` again, or restore the files"
        )


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


def _state(path: Path) -> list[int]:
    """Size and time of the last change; zeros of a missing file."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return [0, 0]
    return [found.st_size, found.st_mtime_ns]
