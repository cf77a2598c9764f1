"""Prepare a corpus of one language: every recording is a target, another one of the same speaker is its source.

The source supplies the condition. A speaker with one recording is its own source, and the manifest says so
(``source_kind``). Speakers and ids begin with the corpus's name, so that two corpora cannot be confused.
"""

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from thesis_lib.audio.files import AudioError, header
from thesis_lib.config import Config, CorpusConfig
from thesis_lib.corpus import rows as selection
from thesis_lib.corpus.card import save_with_card
from thesis_lib.corpus.conversion import (
    already_prepared,
    check_header,
    check_rate,
    converted,
    converted_bandwidth,
    converted_seconds,
    exclusive,
    made_with,
    notes_on,
    write_converted,
)
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import NOT_TRANSCRIBED, Manifest, Reject, Utterance, damaged, is_plain_name
from thesis_lib.corpus.readers import READERS, CorpusRecording, Reader, speaker_identity
from thesis_lib.corpus.sources import record_sources, source_states
from thesis_lib.corpus.split import drawn, is_validation
from thesis_lib.utils.process import printable
from thesis_lib.utils.progress import Progress, silent


def prepare_recordings(
    config: Config, folder: Path, progress: Progress = silent, scheduler: str | None = None
) -> Manifest:
    """Read ``corpus.root`` by the corpus's reader, convert, and write manifest and data card below ``folder``.

    A call resumes after an interruption and ends with the same bytes. Raises CorpusError for a wrong layout, no usable
    recording, a listed one that cannot be used, a speaker in two splits, other settings than before, or another call
    that is running in the folder.
    """
    corpus, reader = config.corpus, READERS[config.corpus.name]
    if (found := already_prepared(folder, corpus)) is not None:
        return found
    root, states = root_of(corpus.root, reader), source_states(corpus)
    rows, rejects = _valid(reader.read(root), reader.name)
    if not rows:
        raise CorpusError(f"{root} holds no recording of {reader.title} ({len(rejects)} rows rejected)")
    rows, unlisted = selection.listed(rows, corpus.utterances, _file, rejects)
    selection.require_listed(corpus.utterances, {row.file for row in rows}, rejects)
    rows, rare = selection.frequent_speakers(rows, corpus.min_recordings)
    rows = _with_splits(rows, reader, corpus, root)
    rows, shared = selection.without_shared_speakers(rows) if reader.holds_test_split else (rows, [])
    rows, over = _limited(rows, corpus.limit)
    selection.require_listed(corpus.utterances, {row.file for row in rows}, [*rare, *shared])
    made = made_with(config.audio, corpus)
    with exclusive(folder, made):
        converter = RecordingConverter(folder, config.audio.sample_rate, corpus)
        utterances, refused = selection.convert_rows(converter, rows, progress, scheduler)
        utterances, left = _frequent(utterances, folder, corpus.min_recordings)
        rejects += [*unlisted, *rare, *shared, *over, *refused, *left]
        selection.require_listed(corpus.utterances, {u.id for u in utterances}, rejects)
        selection.require_some(utterances, rejects)
        manifest = Manifest(folder, with_sources(utterances), rejects)
        save_with_card(manifest, made)
        record_sources(folder, states)
    return manifest


@dataclass(frozen=True)
class RecordingConverter(selection.Converter[CorpusRecording]):
    """Convert recordings to utterances that are their own source; picklable, for other processes."""

    folder: Path
    sample_rate: int  # Hz
    corpus: CorpusConfig

    def split_of(self, row: CorpusRecording) -> str:
        """The row's split, which ``_with_splits`` has set: a share of the official training speakers is validation."""
        return row.split

    def probe(self, row: CorpusRecording) -> float | Reject:
        """Duration in seconds by the header of the converted recording, or of the original one; or a reject."""
        try:
            return self._header(row)
        except AudioError as error:
            return _rejected(row, error)

    def __call__(self, row: CorpusRecording) -> Utterance | Reject:
        """Convert one recording, or say why it cannot be used."""
        try:
            seconds, notes = self._converted(row)
            bandwidth = converted_bandwidth(self._target(row), partial(self._converted, row))
        except AudioError as error:
            return _rejected(row, error)
        name, text = self._target(row).relative_to(self.folder).as_posix(), row.text or NOT_TRANSCRIBED
        return Utterance(
            id=row.file,
            split=row.split,  # type: ignore[arg-type]  # a split, by _with_splits
            speaker=row.speaker,
            source_audio=name,
            target_audio=name,
            source_text=text,
            target_text=text,
            source_duration=seconds,
            target_duration=seconds,
            gender=row.gender,
            age=row.age,
            source_kind="same recording",
            target_bandwidth=bandwidth,
            notes=notes,
        )

    def _target(self, row: CorpusRecording) -> Path:
        return self.folder / self.corpus.format / f"{row.file}.{self.corpus.format}"

    def _header(self, row: CorpusRecording) -> float:
        if (known := converted_seconds(self._target(row))) is not None:  # it was written after every check
            return known
        rate, seconds = header(row.path)
        check_rate(rate, row.path)
        seconds /= self.corpus.speed
        check_header(seconds, row.path, self.corpus)
        return seconds

    def _converted(self, row: CorpusRecording) -> tuple[float, str]:
        """Write the converted recording where it is not there yet; its duration in seconds, and notes."""
        seconds = self._header(row)
        if self._target(row).exists():
            return seconds, notes_on(self._target(row))
        wav, notes = converted(row.path, self.sample_rate, self.corpus)
        write_converted(self._target(row), wav, self.sample_rate, notes)
        return len(wav) / self.sample_rate, notes


def with_sources(utterances: list[Utterance]) -> list[Utterance]:
    """Give each utterance another one of its speaker as source; the only one of a speaker stays its own.

    Half the speaker's list lies between the two, so that they are mostly of two chapters or sessions, and each
    recording is the source of one utterance.
    """
    own: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in sorted(utterances, key=lambda u: u.id):
        own[utterance.speaker].append(utterance)
    found = []
    for group in own.values():
        shift = len(group) // 2
        for place, utterance in enumerate(group):
            source = group[(place + shift) % len(group)]
            about = {
                "source_audio": source.target_audio,
                "source_text": source.target_text,
                "source_duration": source.target_duration,
                "source_kind": "same speaker" if shift else "same recording",
            }
            found.append(utterance.model_copy(update=about))
    return found


def _frequent(utterances: list[Utterance], folder: Path, min_recordings: int) -> tuple[list[Utterance], list[Reject]]:
    """Reject a speaker's recordings where fewer than ``min_recordings`` are usable, and remove the converted files."""
    counts = Counter(utterance.speaker for utterance in utterances)
    rare = [utterance for utterance in utterances if counts[utterance.speaker] < min_recordings]
    for utterance in rare:
        (folder / utterance.target_audio).unlink()
    rejects = [Reject(id=u.id, split=u.split, reason="too few recordings", detail=u.speaker) for u in rare]
    return [utterance for utterance in utterances if counts[utterance.speaker] >= min_recordings], rejects


def root_of(given: str | None, reader: Reader) -> Path:
    """The folder of a corpus. CorpusError where none is given, or where it is no folder."""
    if given is None:
        raise CorpusError(f"the corpus {reader.name} needs its folder: --set corpus.root=FOLDER")
    root = Path(given)
    if not root.is_dir():
        raise CorpusError(
            f"{root} is no folder: set corpus.root to the folder of {reader.title}{_fetched(reader, root)}"
        )
    return root


def _fetched(reader: Reader, root: Path) -> str:
    """The end of a line on a missing corpus: the command that fetches it, where there is one."""
    if not reader.archives:
        return ""
    subset = "--subset SUBSET " if len(reader.archives) > 1 else ""
    return f", or fetch it by `thesis download {reader.name} {subset}--to {shlex.quote(str(root))}`"


def _valid(found: Iterable[CorpusRecording | Reject], name: str) -> tuple[list[CorpusRecording], list[Reject]]:
    """The rows with the corpus's name before id and speaker; a reject for each that has no usable id or a known one."""
    rows, rejects, seen = [], [], set()
    for row in found:
        if isinstance(row, Reject):
            rejects.append(row.model_copy(update={"id": f"{name}-{row.id}"}))
            continue
        prefix = row.corpus or name
        row = replace(row, file=f"{prefix}-{row.file}", speaker=f"{prefix}-{row.speaker}")
        if damaged(row.speaker, row.text, row.gender, row.age):
            rejects.append(Reject(id=printable(row.file), split=row.split, reason="malformed row"))
        elif not is_plain_name(row.file) or not row.speaker.isprintable():
            rejects.append(Reject(id=printable(row.file), split=row.split, reason="unsafe file name"))
        elif row.file in seen:
            rejects.append(Reject(id=row.file, split=row.split, reason="duplicate", detail=str(row.path)))
        else:
            seen.add(row.file)
            rows.append(row)
    return rows, rejects


def _with_splits(
    rows: list[CorpusRecording], reader: Reader, corpus: CorpusConfig, root: Path
) -> list[CorpusRecording]:
    """The rows with their split: the official one, the user's, or drawn by speaker where none is given."""
    fraction, seed = corpus.validation_fraction, corpus.split_seed
    if reader.holds_test_split:
        held = {
            row.speaker: is_validation(speaker_identity(row.speaker), fraction, seed)
            for row in rows
            if row.split == "train"
        }
        tested = {row.speaker for row in rows if row.split != "train"}
        return [
            replace(row, split="validation") if row.split == "train" and held[row.speaker] and row.speaker not in tested
            else row
            for row in rows
        ]  # fmt: skip
    given = [row for row in rows if row.split]
    if len(given) == len(rows):
        selection.require_one_split({(speaker_identity(row.speaker), row.split) for row in rows}, root)
        return rows
    if given:
        raise CorpusError(
            f"{root}: {len(rows) - len(given)} of {len(rows)} recordings have no split: give all, or none"
        )
    try:
        splits = drawn([row.speaker for row in rows], fraction, seed)
    except ValueError as error:
        raise CorpusError(
            f"{root} has {error}, or a table with a column split; for one speaker, `thesis adapt`"
        ) from error
    return [replace(row, split=splits[row.speaker]) for row in rows]


def _limited(rows: list[CorpusRecording], limit: int | None) -> tuple[list[CorpusRecording], list[Reject]]:
    """At most ``limit`` rows of each split, two of each speaker before a third one; rejects for the others."""
    if limit is None:
        return rows, []
    turns: dict[str, int] = defaultdict(int)
    order = []
    for row in sorted(rows, key=_file):
        order.append((turns[row.speaker] // 2, row.speaker, row.file, row))
        turns[row.speaker] += 1
    kept, rejects = [], []
    counts: dict[str, int] = defaultdict(int)
    for *_, row in sorted(order, key=lambda item: item[:3]):
        counts[row.split] += 1
        if counts[row.split] <= limit:
            kept.append(row)
        else:
            rejects.append(Reject(id=row.file, split=row.split, reason="not in the subset", detail="corpus.limit"))
    return kept, rejects


def _rejected(row: CorpusRecording, error: AudioError) -> Reject:
    return Reject(id=row.file, split=row.split, reason=error.reason, detail=str(error))


def _file(row: CorpusRecording) -> str:
    return row.file
