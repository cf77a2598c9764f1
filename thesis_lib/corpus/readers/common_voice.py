"""Common Voice, any language and version: sentences that volunteers read, MP3.

Reference: Ardila et al. 2020, arXiv:1912.06670. Since October 2025 its archives come from the Mozilla Data Collective,
which asks for consent before it gives a signed link. github.com/common-voice/cv-dataset publishes their sha256.
"""

import csv
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Reject, is_plain_name
from thesis_lib.corpus.readers.base import CorpusRecording, Reader
from thesis_lib.utils.process import printable

HELD_OUT = ("dev", "test")
TABLES = ("validated", "train", *HELD_OUT)
COLUMNS = ("client_id", "path", "sentence")


def read(root: Path) -> Iterator[CorpusRecording | Reject]:
    """The clips of validated.tsv; those of dev.tsv and test.tsv are held out, and so are their speakers."""
    top = _language_folder(root)
    held_out = {row["path"] for name in HELD_OUT for row in _rows(top / f"{name}.tsv")}
    for row in _rows(top / "validated.tsv"):
        file, speaker = row["path"], row["client_id"].strip()
        split = "test" if file in held_out else "train"
        if not is_plain_name(file) or not speaker:
            reason = "no speaker" if is_plain_name(file) else "unsafe file name"
            yield Reject(id=printable(file), split=split, reason=reason)
            continue
        text, gender, age = (row.get(column) or "" for column in ("sentence", "gender", "age"))
        yield CorpusRecording(Path(file).stem, split, speaker, top / "clips" / file, text.strip(), gender, age)


def _language_folder(root: Path) -> Path:
    found = [path.parent for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}validated.tsv")]
    if len(found) == 1:
        return found[0]
    if found:
        raise CorpusError(f"{root} holds {len(found)} languages: set corpus.root to one, such as {sorted(found)[0]}")
    raise CorpusError(
        f"{root} holds no validated.tsv: `thesis download common-voice --archive FILE_OR_LINK "
        f"--to {shlex.quote(str(root))}` unpacks "
        f"the archive of one language ({READER.page})"
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    if not path.exists():
        raise CorpusError(f"{path} is missing, one of the tables that say who is held out: unpack the archive again")
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
        missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
        if missing:
            raise CorpusError(f"{path} has no column {missing[0]!r}: it is no table of Common Voice")
        try:
            yield from rows
        except csv.Error as error:
            raise CorpusError(f"{path} is no table of tab-separated lines ({error}): fetch it again") from error


def _place(path: PurePosixPath) -> PurePosixPath | None:
    """VERSION/LANGUAGE/NAME.tsv and VERSION/LANGUAGE/clips/NAME.mp3, so that two languages are never mixed."""
    if path.suffix == ".tsv" and path.stem in TABLES:
        return PurePosixPath(*path.parts[-3:])
    return PurePosixPath(*path.parts[-4:]) if path.suffix == ".mp3" and path.parent.name == "clips" else None


READER = Reader(
    name="common-voice",
    title="Common Voice",
    licence="Common Voice: CC0 (Ardila et al. 2020).",
    citation="ardila2020commonvoice",
    page="https://datacollective.mozillafoundation.org",
    read=read,
    place=_place,
    max_duration=15.0,
    speaker_space="",  # the client ids, as in CVSS-T
)
