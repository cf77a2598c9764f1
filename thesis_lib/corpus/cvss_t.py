"""Read CVSS-T es→en, joined by file name with Common Voice 4 (Spanish) and CoVoST 2 (translations).

References: CVSS, Jia et al. 2022, arXiv:2201.03713; CoVoST 2, Wang et al. 2020, arXiv:2007.10310;
Common Voice, Ardila et al. 2020, arXiv:1912.06670.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import PairLabels, Reject, damaged, is_plain_name
from thesis_lib.corpus.reasons import ROW
from thesis_lib.utils.process import printable

SPLITS = ("train", "dev", "test")
# CoVoST's "train_covost" extends its "train"; CVSS names both "train".
COVOST_SPLITS = {"train": "train", "train_covost": "train", "dev": "dev", "test": "test"}
RATE = 24_000  # Hz of the English side, as published
HEADERS = ("path", "file", "filename", "client_id")  # first cells that mark a line of column names
CLIP_PREFIX = "common_voice_es_"  # of every clip of the Spanish Common Voice


@dataclass(frozen=True)
class Release:
    """The paths of the three sources."""

    cvss: Path  # train/ dev/ test/ with common_voice_es_N.mp3.wav, and train.tsv dev.tsv test.tsv
    common_voice: Path  # clips/*.mp3 and validated.tsv
    covost: Path  # covost_v2.es_en.tsv
    styles: Path  # of the bundled corpus only: file name, style

    @classmethod
    def at(cls, root: Path) -> "Release":
        """The paths below ``root`` under the archives' own folder names."""
        root = Path(root)
        return cls(
            cvss=root / "cvss_t_es_en_v1.0",
            common_voice=root / "cv-corpus-4-2019-12-10" / "es",
            covost=root / "covost_v2.es_en.tsv",
            styles=root / "styles.tsv",
        )

    def check(self) -> None:
        """Raise CorpusError with the first file that is missing."""
        for path in (*(self.cvss / f"{s}.tsv" for s in SPLITS), self.common_voice / "validated.tsv", self.covost):
            if not path.is_file():
                raise CorpusError(f"{path} is missing: see the data card for where each archive comes from")


def release_of(root: str | None) -> Release:
    """The release below ``corpus.root``. CorpusError where that is not set."""
    if root is None:
        raise CorpusError(
            "the corpus cvss-t needs the folder of the unpacked archives: set its root "
            "(the data card says where each archive comes from)"
        )
    return Release.at(Path(root))


@dataclass(frozen=True, slots=True, kw_only=True)
class CvssTRow(PairLabels):
    """A row of CVSS's tables, joined with the other two sources; the split is the release's."""

    file: str  # name of the Spanish clip


def join(release: Release) -> tuple[list[CvssTRow], list[Reject]]:
    """Join the three tables: rows to convert, and rejects with their reason.

    Common Voice's table and CoVoST's are read once, line by line, and only rows that CVSS names are kept. Raises
    CorpusError for a missing file or column, and where most rows are not in Common Voice, which is then of another
    version.
    """
    release.check()
    listed = [(split, cells) for split in SPLITS for cells in _lines(release.cvss / f"{split}.tsv")]
    names = {cells[0] for _, cells in listed if cells}
    columns = ("client_id", "sentence", "gender", "age")
    spoken = _selected(release.common_voice / "validated.tsv", columns, names)
    translated = _selected(release.covost, ("split",), names, escape="\\")
    styles = _selected(release.styles, ("style",), names) if release.styles.exists() else {}
    rows, rejects, seen = [], [], set()
    for split, cells in listed:
        file = cells[0] if cells else ""
        voice, covost = spoken.get(file), translated.get(file)
        if reason := _objection(split, cells, voice, covost, file in seen):
            detail = printable("\t".join(cells))[:200]
            rejects.append(Reject(id=printable(file) or "(empty)", split=split, reason=reason, detail=detail))
            continue
        seen.add(file)
        speaker, sentence, gender, age = spoken[file]
        labels = {"style": styles.get(file, ("",))[0], "gender": gender, "age": age}
        rows.append(
            CvssTRow(file=file, split=split, speaker=speaker, source_text=sentence, target_text=cells[1], **labels)
        )
    absent = sum(reject.reason == "no Common Voice row" for reject in rejects)
    if absent > max(len(rows), 10):
        raise CorpusError(
            f"{absent} of {len(listed)} rows are not in {release.common_voice / 'validated.tsv'}: CVSS belongs to "
            "Common Voice 4 (cv-corpus-4-2019-12-10), and this seems to be another version"
        )
    return rows, rejects


def _objection(
    split: str, cells: list[str], voice: tuple[str, ...] | None, covost: tuple[str, ...] | None, seen: bool
) -> str:
    """The first reason to reject a row; empty for a usable one."""
    file = cells[0] if cells else ""
    reason = (
        "header line" if file in HEADERS
        else "malformed row" if len(cells) != 2 or not file or damaged(*cells)
        else "unsafe file name" if not is_plain_name(file)
        else "wrong corpus version" if not (file.startswith(CLIP_PREFIX) and file.endswith(".mp3"))
        else "duplicate" if seen
        else "no Common Voice row" if voice is None
        else "no CoVoST row" if covost is None
        else "split differs from CoVoST" if COVOST_SPLITS.get(covost[0]) != split
        else "malformed row" if damaged(*voice)
        else "no speaker" if not voice[0].strip()
        else "empty text" if not cells[1].strip() or not voice[1].strip()
        else ""
    )  # fmt: skip
    assert not reason or reason in ROW
    return reason


def _lines(path: Path, escape: str | None = None) -> Iterator[list[str]]:
    """The cells of each line. Bytes that are not UTF-8 become lone surrogates, so that only their line is rejected."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        try:
            yield from csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, escapechar=escape)
        except csv.Error as error:
            raise CorpusError(f"{path} is no table of tab-separated lines ({error}): fetch it again") from error


def _selected(
    path: Path, columns: tuple[str, ...], names: set[str], escape: str | None = None
) -> dict[str, tuple[str, ...]]:
    """{path: columns} of the named rows of a table with a header. The columns gender and age may be missing."""
    lines = _lines(path, escape)
    header = next(lines, [])
    missing = {"path", *columns} - {"gender", "age"} - set(header)
    if missing:
        raise CorpusError(f"{path} has no column {sorted(missing)[0]!r}; its first line is {header[:8]}")
    key, places = header.index("path"), [header.index(c) if c in header else None for c in columns]
    # A missing cell of a short line is empty. Speaker ids repeat: one string object each saves memory.
    pool: dict[str, str] = {}
    found = {}
    for cells in lines:
        if len(cells) > key and cells[key] in names:
            values = (cells[i] if i is not None and i < len(cells) else "" for i in places)
            found[cells[key]] = tuple(pool.setdefault(value, value) for value in values)
    return found
