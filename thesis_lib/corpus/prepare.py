"""Convert a release to the project's audio format, with every row in the manifest or in the reject table."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock, Timeout

from thesis_lib.audio.files import AudioError, check_speech, header, read_audio, resample, write_audio
from thesis_lib.audio.loudness import at_loudness, limited
from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpus.card import data_card
from thesis_lib.corpus.cvss_t import MIN_SOURCE_RATE, RATE, CorpusError, Release, Row, join
from thesis_lib.corpus.manifest import Manifest, Reject, Utterance, index_of
from thesis_lib.corpus.split import is_validation, strata
from thesis_lib.utils.files import write_text
from thesis_lib.utils.parallel import spread_over
from thesis_lib.utils.progress import Progress, silent

BATCH_ROWS = 32  # of one task
ADDRESSES = ("cvss_url", "covost_url", "common_voice_page")
T = TypeVar("T")
HEADER_TOLERANCE_SECONDS = 0.5  # an MP3's header only estimates the duration


def prepare(
    release: Release,
    folder: Path,
    audio: AudioConfig,
    corpus: CorpusConfig,
    progress: Progress = silent,
    scheduler: str | None = None,
) -> Manifest:
    """Join, check, convert to 16-bit mono at the project's rate, and write manifest and data card below ``folder``.

    An existing manifest is loaded. Converted recordings are kept, so that a call that was interrupted, by SIGKILL too,
    continues where it was and ends with the same bytes. Runs on every core, or on the workers of a Dask ``scheduler``,
    which must see the same folders.

    Raises CorpusError for a wrong layout, no usable row, another call that is running in the folder, or recordings in
    it that were made with other settings.
    """
    if index_of(folder).exists():
        return Manifest.load(folder)
    rows, rejects = join(release)
    rows, shared = _without_shared_speakers(rows)
    made = corpus.model_dump(exclude={"root", *ADDRESSES}) | {"sample_rate": audio.sample_rate}
    with _alone(folder, made):
        converter = Converter(release, folder, audio.sample_rate, corpus)
        if corpus.subset is None:
            results = _over(converter.all_of, _batches(rows), len(rows), "convert", progress, scheduler)
        else:
            results = _subset(converter, rows, corpus.subset, progress, scheduler)
        utterances = [r for r in results if isinstance(r, Utterance)]
        rejects += shared + [r for r in results if isinstance(r, Reject)]
        if not utterances:
            first = rejects[0].reason if rejects else "the tables are empty"
            raise CorpusError(f"none of the {len(rejects)} rows can be used; the first reason: {first}")
        manifest = Manifest(folder, utterances, rejects)
        write_text(folder / "DATA_CARD.md", data_card(manifest, made))
        manifest.save()
    return manifest


def part_of(row: Row, corpus: CorpusConfig) -> str:
    """A row's split: the release's dev and test are test, a fifth of its training speakers validation."""
    if row.split != "train":
        return "test"
    held = is_validation(row.speaker, corpus.validation_fraction, corpus.split_seed)
    return "validation" if held else "train"


@dataclass(frozen=True)
class Converter:
    """Convert rows to utterances; picklable, for the workers of a cluster."""

    release: Release
    folder: Path
    sample_rate: int  # Hz
    corpus: CorpusConfig

    def all_of(self, rows: list[Row]) -> list[Utterance | Reject]:
        """Convert each row to an utterance or a reject."""
        return [self(row) for row in rows]

    def first_of(self, rows: list[Row]) -> list[Utterance | Reject | Row]:
        """Convert rows up to the first utterance; the rows after it are returned as they are."""
        done = []
        for row in rows:
            done.append(self(row))
            if isinstance(done[-1], Utterance):
                break
        return [*done, *rows[len(done) :]]

    def probed(self, rows: list[Row]) -> list[float | Reject]:
        """Duration of the English side in seconds by its header, or a reject, of each row."""
        return [self._caught(row, lambda row: self._headers(row)["target"]) for row in rows]

    def __call__(self, row: Row) -> Utterance | Reject:
        """Convert one row; its two recordings are written atomically, once both have passed every check."""
        return self._caught(row, self._convert)

    def _caught(self, row: Row, function: Callable[[Row], T]) -> T | Reject:
        try:
            return function(row)
        except _SideError as error:
            reason = f"{error.side}: {error.cause.reason}"
            return Reject(id=row.file, split=row.split, reason=reason, detail=str(error.cause))

    def _paths(self, row: Row) -> dict[str, tuple[Path, Path]]:
        """The path of the recording and of its converted form, for each side."""
        paths = {
            "source": self.release.common_voice / "clips" / row.file,
            "target": self.release.cvss / row.split / f"{row.file}.wav",
        }
        return {side: (path, self.folder / self._name(row, side)) for side, path in paths.items()}

    def _name(self, row: Row, side: str) -> str:
        return f"{self.corpus.format}/{side}/{Path(row.file).stem}.{self.corpus.format}"

    def _headers(self, row: Row) -> dict[str, float]:
        """Duration of each side in seconds by its header; _SideError where the header alone rejects it."""
        found = {}
        for side, (path, target) in self._paths(row).items():
            with _of(side):
                if target.exists():  # it was written after every check
                    found[side] = header(target)[1]
                    continue
                rate, found[side] = header(path)
                if rate < MIN_SOURCE_RATE or (side == "target" and rate != RATE):
                    raise AudioError(
                        "sample rate", path, f"it has {rate} Hz, which the release has not: fetch it again"
                    )
                # Trimming may shorten a long recording below the limit.
                seconds = found[side] if self.corpus.trim is None else min(found[side], self.corpus.max_duration)
                self._check_duration(seconds, path, HEADER_TOLERANCE_SECONDS)
        return found

    def _convert(self, row: Row) -> Utterance:
        durations, wavs = self._headers(row), {}
        for side, (path, target) in self._paths(row).items():
            if target.exists():
                continue
            with _of(side):
                # The resampler is exact to 20 bits, the file has 16.
                wav = self._finished(resample(*read_audio(path), self.sample_rate, "HQ"))
                check_speech(wav, self.sample_rate, path)
                durations[side] = len(wav) / self.sample_rate
                self._check_duration(durations[side], path)
                wavs[target] = wav
        for target, wav in wavs.items():
            write_audio(target, wav, self.sample_rate)
        return Utterance(
            id=Path(row.file).stem,
            split=part_of(row, self.corpus),
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
        )

    def _finished(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (N',), with silent ends trimmed and loudness normalised where the configuration says so."""
        if self.corpus.trim is not None and len(wav):
            from librosa.effects import trim  # its import takes seconds

            wav = trim(wav, top_db=self.corpus.trim)[0]
        if self.corpus.loudness is not None:
            wav = limited(at_loudness(wav, self.corpus.loudness, self.sample_rate), self.sample_rate)
        return wav

    def _check_duration(self, seconds: float, path: Path, margin: float = 0.0) -> None:
        low, high = self.corpus.min_duration, self.corpus.max_duration
        if not low - margin <= seconds <= high + margin:
            raise AudioError("duration", path, f"{seconds:.2f} s is outside {low}–{high} s")


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


def _subset(
    converter: Converter, rows: list[Row], size: int, progress: Progress, scheduler: str | None
) -> list[Utterance | Reject]:
    """``size`` utterances, or all where there are fewer; the other rows as rejects."""
    corpus = converter.corpus
    probed = _over(converter.probed, _batches(rows), len(rows), "read headers", progress, scheduler)
    results: list[Utterance | Reject] = [found for found in probed if isinstance(found, Reject)]
    seconds = {row.file: found for row, found in zip(rows, probed, strict=True) if not isinstance(found, Reject)}
    left, kept = [row for row in rows if row.file in seconds], 0
    while left and kept < size:
        groups = strata(
            [part_of(row, corpus) for row in left],
            [row.speaker for row in left],
            [seconds[row.file] for row in left],
            [row.file for row in left],
            size - kept,
            corpus.subset_seed,
        )
        chosen = [[left[i] for i in group] for group in groups]
        found = _over(converter.first_of, chosen, len(left), "convert", progress, scheduler)
        results += [r for r in found if not isinstance(r, Row)]
        kept += sum(isinstance(r, Utterance) for r in found)
        left = [r for r in found if isinstance(r, Row)]
    return [*results, *(Reject(id=row.file, split=row.split, reason="not in the subset") for row in left)]


def _batches(rows: list[Row]) -> list[list[Row]]:
    return [rows[i : i + BATCH_ROWS] for i in range(0, len(rows), BATCH_ROWS)]


def _over(
    function: Callable[[list[Row]], list],
    groups: list[list[Row]],
    total: int,
    label: str,
    progress: Progress,
    scheduler: str | None,
) -> list:
    """The results of all groups in one list."""
    return list(progress(chain.from_iterable(spread_over(function, groups, scheduler)), total, label))


def _without_shared_speakers(rows: list[Row]) -> tuple[list[Row], list[Reject]]:
    """Reject the training rows of speakers that the release's dev or test split also has."""
    tested = {row.speaker for row in rows if row.split != "train"}
    shared = [row for row in rows if row.split == "train" and row.speaker in tested]
    reason = "speaker is in the test split"
    rejects = [Reject(id=row.file, split=row.split, reason=reason, detail=row.speaker) for row in shared]
    return [row for row in rows if row.split != "train" or row.speaker not in tested], rejects


@contextmanager
def _alone(folder: Path, made: dict[str, object]) -> Iterator[None]:
    """Lock the folder for this call, and check that its recordings have the same settings."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "made.json"
    text = json.dumps(made, indent=2) + "\n"
    try:
        with FileLock(folder / ".lock", timeout=0):
            if settings.exists() and settings.read_text() != text:
                raise CorpusError(
                    f"{folder} was begun with other settings ({settings.name}): choose another, or remove it"
                )
            _sweep(folder)
            write_text(settings, text)
            yield
            _sweep(folder)
    except Timeout as error:
        raise CorpusError(f"another `thesis prepare` is running in {folder}: wait for it, or stop it") from error


def _sweep(folder: Path) -> None:
    """Remove the partial files of killed calls and lost workers."""
    for path in folder.rglob(".partial-*"):
        path.unlink(missing_ok=True)
