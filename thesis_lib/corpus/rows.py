"""Rows of a corpus: which of them are used, in which split, and their conversion on every core or on a Dask cluster."""

from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from thesis_lib.config import CorpusConfig
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Reject, Utterance
from thesis_lib.corpus.split import strata
from thesis_lib.utils.parallel import spread_over
from thesis_lib.utils.progress import Progress

BATCH_ROWS = 32  # of one task
MAX_NAMED_IDS = 3  # in an error
PACKAGE = Path(__file__).parents[1]
PACKAGED = Path("thesis_lib/data")  # a list below it is a file of the package


class Row(Protocol):
    """Fields that a row has in every corpus."""

    @property
    def file(self) -> str:
        """The name that tells it from every other row."""

    @property
    def split(self) -> str:
        """train, or the name of another split."""

    @property
    def speaker(self) -> str:
        """The speaker's id."""


R = TypeVar("R", bound=Row)


class Converter(ABC, Generic[R]):
    """Convert rows to utterances; picklable, for other processes."""

    corpus: CorpusConfig

    @abstractmethod
    def __call__(self, row: R) -> Utterance | Reject:
        """Convert one row; recordings are written atomically, once they have passed every check."""

    @abstractmethod
    def probe(self, row: R) -> float | Reject:
        """Duration in seconds by the header, or a reject where the header is enough for it."""

    @abstractmethod
    def split_of(self, row: R) -> str:
        """The row's split in the manifest."""

    def all_of(self, rows: list[R]) -> list[Utterance | Reject]:
        """Convert each row to an utterance or a reject."""
        return [self(row) for row in rows]

    def first_of(self, rows: list[R]) -> list[Utterance | Reject | R]:
        """Convert rows up to the first utterance; the rows after it are returned as they are."""
        done: list[Utterance | Reject | R] = []
        for row in rows:
            done.append(self(row))
            if isinstance(done[-1], Utterance):
                break
        return [*done, *rows[len(done) :]]

    def probed(self, rows: list[R]) -> list[float | Reject]:
        """The duration or the reject of each row."""
        return [self.probe(row) for row in rows]


def convert_rows(
    converter: Converter[R], rows: list[R], progress: Progress, scheduler: str | None
) -> tuple[list[Utterance], list[Reject]]:
    """Convert all rows, or a subset of ``corpus.subset`` utterances; every other row is a reject.

    Raises CorpusError when no row can be used.
    """
    if converter.corpus.subset is None:
        batches = [rows[i : i + BATCH_ROWS] for i in range(0, len(rows), BATCH_ROWS)]
        results = _over(converter.all_of, batches, len(rows), "convert", progress, scheduler)
    else:
        results = _subset(converter, rows, converter.corpus.subset, progress, scheduler)
    utterances = [r for r in results if isinstance(r, Utterance)]
    return utterances, [r for r in results if isinstance(r, Reject)]


def require_some(utterances: list[Utterance], rejects: list[Reject]) -> None:
    """Raise CorpusError with the first reason when no row can be used."""
    if not utterances:
        first = rejects[0].reason if rejects else "the tables are empty"
        raise CorpusError(f"none of the {len(rejects)} rows can be used; the first reason: {first}")


def without_shared_speakers(rows: list[R]) -> tuple[list[R], list[Reject]]:
    """Reject the training rows of speakers that the release's dev or test split also has."""
    tested = {row.speaker for row in rows if row.split != "train"}
    shared = [row for row in rows if row.split == "train" and row.speaker in tested]
    rejects = [_reject(row, "speaker is in the test split", row.speaker) for row in shared]
    return [row for row in rows if row.split != "train" or row.speaker not in tested], rejects


def require_one_split(places: Iterable[tuple[str, str]], table: Path) -> None:
    """Raise CorpusError for a speaker in two splits of the user's table. ``places``: (speaker, split) of each row."""
    splits: dict[str, set[str]] = defaultdict(set)
    for speaker, split in places:
        splits[speaker].add(split)
    for speaker, found in sorted(splits.items()):
        if len(found) > 1:
            raise CorpusError(
                f"{table}: the speaker {speaker} is in the splits {' and '.join(sorted(found))}: give each speaker one"
            )


def listed(
    rows: list[R], path: str | None, id_of: Callable[[R], str], rejects: Iterable[Reject] = ()
) -> tuple[list[R], list[Reject]]:
    """The rows that the file of ``corpus.utterances`` lists, and a reject for each of the others; None: all rows.

    Raises CorpusError for a missing or empty list, and for an id that neither a row nor one of ``rejects`` has.
    """
    if path is None:
        return rows, []
    ids = set(read_list(path))
    if absent := sorted(ids - {id_of(row) for row in rows} - {reject.id for reject in rejects}):
        raise CorpusError(
            f"{path}: {len(absent)} of {len(ids)} ids are not in the corpus, such as "
            f"{', '.join(absent[:MAX_NAMED_IDS])}: download the subset that has them, or correct the list"
        )
    rejects = [_reject(row, "not in the list") for row in rows if id_of(row) not in ids]
    return [row for row in rows if id_of(row) in ids], rejects


def require_listed(
    path: str | None, usable: set[str], rejects: list[Reject], id_of: Callable[[Reject], str] = attrgetter("id")
) -> None:
    """Raise CorpusError, with the id and the reason, where a listed utterance is not among the usable ones."""
    if path is None:
        return
    reasons = {id_of(reject): reject for reject in rejects}
    if lost := [id for id in read_list(path) if id not in usable]:
        found = reasons.get(lost[0])
        reason = f"{found.reason}{f', {found.detail}' if found.detail else ''}" if found else "not in the corpus"
        raise CorpusError(
            f"{path}: {len(lost)} listed utterances cannot be used, such as {lost[0]} ({reason}): change the setting, "
            "repair the recording or remove it from the list, and prepare in an empty folder"
        )


def list_path(path: str) -> Path:
    """The file of a list of utterances: one below thesis_lib/data is the package's, in any working folder."""
    return PACKAGE.parent / path if Path(path).is_relative_to(PACKAGED) else Path(path)


def read_list(path: str) -> list[str]:
    """The ids of a list, one a line; empty lines and lines that begin with # do not count. CorpusError for none."""
    try:
        lines = [line.strip() for line in list_path(path).read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(
            f"{path} cannot be read as a list of utterances ({error}): check corpus.utterances"
        ) from error
    ids = [line for line in lines if line and not line.startswith("#")]
    if not ids:
        raise CorpusError(f"{path} lists no utterance: write one id a line")
    return ids


def frequent_speakers(rows: list[R], min_recordings: int) -> tuple[list[R], list[Reject]]:
    """Reject the rows of speakers with fewer than ``min_recordings`` rows."""
    counts = Counter(row.speaker for row in rows)
    rejects = [_reject(row, "too few recordings", row.speaker) for row in rows if counts[row.speaker] < min_recordings]
    return [row for row in rows if counts[row.speaker] >= min_recordings], rejects


def _reject(row: Row, reason: str, detail: str = "") -> Reject:
    return Reject(id=row.file, split=row.split, reason=reason, detail=detail)


def _subset(
    converter: Converter[R], rows: list[R], size: int, progress: Progress, scheduler: str | None
) -> list[Utterance | Reject]:
    """``size`` utterances, or all where there are fewer; the other rows as rejects."""
    batches = [rows[i : i + BATCH_ROWS] for i in range(0, len(rows), BATCH_ROWS)]
    probed = _over(converter.probed, batches, len(rows), "read headers", progress, scheduler)
    results: list[Utterance | Reject] = [found for found in probed if isinstance(found, Reject)]
    seconds = {row.file: found for row, found in zip(rows, probed, strict=True) if not isinstance(found, Reject)}
    left, kept = [row for row in rows if row.file in seconds], 0
    while left and kept < size:
        groups = strata(
            [converter.split_of(row) for row in left],
            [row.speaker for row in left],
            [seconds[row.file] for row in left],
            [row.file for row in left],
            size - kept,
            converter.corpus.subset_seed,
        )
        chosen = [[left[i] for i in group] for group in groups]
        found = _over(converter.first_of, chosen, len(left), "convert", progress, scheduler)
        results += [r for r in found if isinstance(r, Utterance | Reject)]
        kept += sum(isinstance(r, Utterance) for r in found)
        left = [r for r in found if not isinstance(r, Utterance | Reject)]
    return [*results, *(_reject(row, "not in the subset") for row in left)]


def _over(
    function: Callable[[list[R]], Sequence],
    groups: list[list[R]],
    total: int,
    label: str,
    progress: Progress,
    scheduler: str | None,
) -> list:
    """The results of all groups in one list."""
    return list(progress(chain.from_iterable(spread_over(function, groups, scheduler)), total, label))
