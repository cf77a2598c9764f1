"""Convert a release to the project's audio format, with every row in the manifest or in the reject table."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from thesis_lib.audio.files import AudioError, header
from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpus import rows as selection
from thesis_lib.corpus.card import save_with_card
from thesis_lib.corpus.conversion import (
    MIN_SOURCE_RATE,
    already_prepared,
    check_header,
    converted,
    converted_bandwidth,
    converted_seconds,
    exclusive,
    made_with,
    notes_on,
    of_sides,
    write_converted,
)
from thesis_lib.corpus.cvss_t import RATE, CvssTRow, Release, join
from thesis_lib.corpus.manifest import Manifest, Reject, Utterance
from thesis_lib.corpus.split import is_validation
from thesis_lib.utils.progress import Progress, silent

T = TypeVar("T")


def prepare(
    release: Release,
    folder: Path,
    audio: AudioConfig,
    corpus: CorpusConfig,
    progress: Progress = silent,
    scheduler: str | None = None,
) -> Manifest:
    """Join, check, convert to 16-bit mono at the project's rate, and write manifest and data card below ``folder``.

    An existing manifest is loaded. Converted recordings are kept, so that a call resumes after an interruption, by
    SIGKILL too, and ends with the same bytes. Runs on every core, or on the workers of a Dask ``scheduler``,
    which must see the same folders.

    Raises CorpusError for a wrong layout, no usable row, a listed one that cannot be used, another call that is running
    in the folder, or recordings in it that were made with other settings.
    """
    if (found := already_prepared(folder, corpus)) is not None:
        return found
    rows, rejects = join(release)
    rows, unlisted = selection.listed(rows, corpus.utterances, lambda row: Path(row.file).stem)
    rows, shared = selection.without_shared_speakers(rows)
    selection.require_listed(corpus.utterances, {Path(row.file).stem for row in rows}, shared, _id_of_reject)
    made = made_with(audio, corpus)
    with exclusive(folder, made):
        converter = CvssTConverter(release, folder, audio.sample_rate, corpus)
        utterances, refused = selection.convert_rows(converter, rows, progress, scheduler)
        rejects += [*unlisted, *shared, *refused]
        selection.require_listed(corpus.utterances, {u.id for u in utterances}, rejects, _id_of_reject)
        selection.require_some(utterances, rejects)
        manifest = Manifest(folder, utterances, rejects)
        save_with_card(manifest, made)
    return manifest


def _id_of_reject(reject: Reject) -> str:
    return Path(reject.id).stem


def split_of(row: CvssTRow, corpus: CorpusConfig) -> str:
    """A row's split: the release's dev and test are test, a fifth of its training speakers validation."""
    if row.split != "train":
        return "test"
    held = is_validation(row.speaker, corpus.validation_fraction, corpus.split_seed)
    return "validation" if held else "train"


@dataclass(frozen=True)
class CvssTConverter(selection.Converter[CvssTRow]):
    """Convert rows of CVSS-T to utterances; picklable, for other processes."""

    release: Release
    folder: Path
    sample_rate: int  # Hz
    corpus: CorpusConfig

    def probe(self, row: CvssTRow) -> float | Reject:
        """Duration of the English side in seconds by its header, or a reject."""
        return self._caught(row, lambda row: self._headers(row)["target"])

    def __call__(self, row: CvssTRow) -> Utterance | Reject:
        """Convert one row; its two recordings are written atomically, once both have passed every check."""
        return self._caught(row, self._convert)

    def split_of(self, row: CvssTRow) -> str:
        """The row's split in the manifest."""
        return split_of(row, self.corpus)

    def _caught(self, row: CvssTRow, function: Callable[[CvssTRow], T]) -> T | Reject:
        try:
            return function(row)
        except _SideError as error:
            reason = f"{error.side}: {error.cause.reason}"
            return Reject(id=row.file, split=row.split, reason=reason, detail=str(error.cause))

    def _paths(self, row: CvssTRow) -> dict[str, tuple[Path, Path]]:
        """The path of the recording and of its converted form, for each side."""
        paths = {
            "source": self.release.common_voice / "clips" / row.file,
            "target": self.release.cvss / row.split / f"{row.file}.wav",
        }
        return {side: (path, self.folder / self._name(row, side)) for side, path in paths.items()}

    def _name(self, row: CvssTRow, side: str) -> str:
        return f"{self.corpus.format}/{side}/{Path(row.file).stem}.{self.corpus.format}"

    def _headers(self, row: CvssTRow) -> dict[str, float]:
        """Duration of each side in seconds by its header; _SideError where the header alone rejects it."""
        found = {}
        for side, (path, target) in self._paths(row).items():
            with _of(side):
                if (known := converted_seconds(target)) is not None:  # it was written after every check
                    found[side] = known
                    continue
                rate, found[side] = header(path)
                if rate < MIN_SOURCE_RATE or (side == "target" and rate != RATE):
                    raise AudioError(
                        "sample rate", path, f"it has {rate} Hz, which the release has not: fetch it again"
                    )
                check_header(found[side], path, self.corpus)
        return found

    def _written(self, row: CvssTRow) -> tuple[dict[str, float], dict[str, str]]:
        """Write the converted recordings that are not there yet; the duration of each side in seconds, and notes."""
        durations, paths, wavs, notes = self._headers(row), self._paths(row), {}, {}
        for side, (path, target) in paths.items():
            if target.exists():
                notes[side] = notes_on(target)
                continue
            with _of(side):
                wavs[side], notes[side] = converted(path, self.sample_rate, self.corpus)
                durations[side] = len(wavs[side]) / self.sample_rate
        for side, wav in wavs.items():
            write_converted(paths[side][1], wav, self.sample_rate, notes[side])
        return durations, notes

    def _convert(self, row: CvssTRow) -> Utterance:
        durations, notes = self._written(row)
        return Utterance(
            id=Path(row.file).stem,
            split=split_of(row, self.corpus),
            speaker=row.speaker,
            source_audio=self._name(row, "source"),
            target_audio=self._name(row, "target"),
            source_text=row.source_text,
            target_text=row.target_text,
            source_duration=durations["source"],
            target_duration=durations["target"],
            style=row.style,
            gender=row.gender,
            age=row.age,
            # Of the file: the same number whether this call has written it or an earlier one.
            target_bandwidth=converted_bandwidth(self.folder / self._name(row, "target"), partial(self._written, row)),
            notes=of_sides(notes),
        )


class _SideError(Exception):
    """A fault of one of a row's two recordings."""

    def __init__(self, side: str, cause: AudioError) -> None:
        self.side, self.cause = side, cause
        super().__init__(side)


@contextmanager
def _of(side: str) -> Iterator[None]:
    try:
        yield
    except AudioError as error:
        raise _SideError(side, error) from error
