"""The corpus "manifest": the user's own pairs of recordings, listed in a CSV or TSV table.

``corpus.root`` is the table, or a folder with a pairs.csv or pairs.tsv. Columns: source_audio and target_audio (paths
from the table's folder), source_text, target_text, speaker; and, where known, id, split (train, validation or test),
style, gender, age. Recordings have any format that libsndfile or FFmpeg reads and any sample rate from 16 kHz.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.bandwidth import recorded_bandwidth
from thesis_lib.audio.files import AudioError, header, write_audio
from thesis_lib.config import AudioConfig, Config, CorpusConfig
from thesis_lib.corpus.card import save_with_card
from thesis_lib.corpus.conversion import check_rate, converted, exclusive, of_sides
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Manifest, PairLabels, Reject, Utterance, is_plain_name
from thesis_lib.corpus.rows import list_path, listed, require_listed, require_one_split
from thesis_lib.corpus.sources import OWN, record_sources, source_states
from thesis_lib.corpus.split import drawn
from thesis_lib.utils.files import sha256
from thesis_lib.utils.parallel import spread_over
from thesis_lib.utils.progress import Progress, silent

TABLE_NAMES = OWN["manifest"]  # of a table, where ``corpus.root`` is its folder
REQUIRED_COLUMNS = ("source_audio", "target_audio", "source_text", "target_text", "speaker")
OPTIONAL_COLUMNS = ("id", "split", "style", "gender", "age")
SPLITS = ("train", "validation", "test")
SIDES = ("source", "target")


def prepare_pairs(config: Config, folder: Path, progress: Progress = silent, scheduler: str | None = None) -> Manifest:
    """Convert the pairs of the user's table to the project's format, and write manifest and data card below ``folder``.

    A pair that cannot be used becomes a reject with its reason. Raises CorpusError for a missing or malformed table,
    when no pair is left, when a listed one cannot be used or a speaker is in two splits, and when
    ``corpus.subset`` is set.
    """
    corpus = config.corpus
    if corpus.subset is not None:
        raise CorpusError("corpus.subset is for cvss-t only: remove the rows from the table, or set corpus.limit")
    table = table_path(corpus.root)
    rows, unlisted = listed(read_pairs(table, corpus), corpus.utterances, lambda pair: pair.id)
    convert = partial(convert_pair, folder=folder, root=table.parent, audio=config.audio, corpus=corpus)
    made = {"name": corpus.name, "table": str(table.resolve()), "sample_rate": config.audio.sample_rate}
    made |= {"format": corpus.format}
    if corpus.utterances:
        made["utterances_sha256"] = sha256(list_path(corpus.utterances))
    states = source_states(corpus)
    with exclusive(folder, made):
        results = list(progress(spread_over(convert, rows, scheduler), len(rows), "convert"))
        utterances = [result for result in results if isinstance(result, Utterance)]
        rejects = [*unlisted, *(result for result in results if isinstance(result, Reject))]
        require_listed(corpus.utterances, {utterance.id for utterance in utterances}, rejects)
        if not utterances:
            reason = rejects[0].detail
            raise CorpusError(f"{table}: none of the {len(rows)} pairs can be used; the first reason: {reason}")
        manifest = Manifest(folder, utterances, rejects)
        save_with_card(manifest, made)
        record_sources(folder, states)
    return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(PairLabels):
    """One row of the table, with its id and split."""

    id: str
    source_audio: str
    target_audio: str

    @property
    def file(self) -> str:
        """The id."""
        return self.id


def table_path(root: str | None) -> Path:
    """The table that ``corpus.root`` names, or that its folder holds. CorpusError where there is none."""
    if root is None:
        raise CorpusError("the corpus manifest needs a table of pairs: --set corpus.root=FOLDER/pairs.csv")
    path = Path(root)
    found = [path] if path.is_file() else [path / name for name in TABLE_NAMES if (path / name).is_file()]
    if not found:
        raise CorpusError(f"{path} is no table, and no folder with {' or '.join(TABLE_NAMES)}: set corpus.root to one")
    return found[0]


def read_pairs(path: Path, corpus: CorpusConfig) -> list[Pair]:
    """The rows of a table, each with an id and a split. CorpusError names the column, row or split that is wrong."""
    try:
        separator = "\t" if path.suffix == ".tsv" else ","
        table = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise CorpusError(f"{path} is no table ({str(error).splitlines()[0]}): write it as UTF-8 CSV or TSV") from error
    missing = [name for name in REQUIRED_COLUMNS if name not in table]
    if missing:
        raise CorpusError(f"{path} has no column {missing[0]!r}; it needs {', '.join(REQUIRED_COLUMNS)}")
    for name in REQUIRED_COLUMNS:
        empty = np.flatnonzero(table[name].str.strip() == "")
        if len(empty):
            raise CorpusError(f"{path}, row {empty[0] + 1}: {name} is empty")
    if "id" not in table:
        table["id"] = [f"pair-{number:06d}" for number in range(1, len(table) + 1)]
    wrong = [name for name in table["id"] if not is_plain_name(name)]
    if wrong:
        raise CorpusError(f"{path}: the id {wrong[0]!r} cannot name a file: use letters, digits, - and _")
    if "split" not in table:
        table["split"] = _splits(path, table.speaker.tolist(), corpus)
    unknown = sorted(set(table.split) - set(SPLITS))
    if unknown:
        raise CorpusError(f"{path}: the split {unknown[0]!r} is unknown; known: {', '.join(SPLITS)}")
    require_one_split(zip(table.speaker, table.split, strict=True), path)
    if corpus.limit is not None:
        table = table.groupby("split", sort=False).head(corpus.limit)
    columns = [name for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if name in table]
    given = dict.fromkeys(OPTIONAL_COLUMNS, "")
    return [Pair(**(given | row)) for row in table[columns].to_dict("records")]


def _splits(path: Path, speakers: list[str], corpus: CorpusConfig) -> list[str]:
    """A split for each row: ``validation_fraction`` of the speakers each for validation and test, the others train."""
    try:
        split = drawn(speakers, corpus.validation_fraction, corpus.split_seed)
    except ValueError as error:
        raise CorpusError(f"{path} has {error}") from error
    return [split[speaker] for speaker in speakers]


def convert_pair(pair: Pair, folder: Path, root: Path, audio: AudioConfig, corpus: CorpusConfig) -> Utterance | Reject:
    """Write a pair's two recordings below ``folder`` when both can be used; otherwise say why not."""
    wavs, notes = {}, {}
    for side in SIDES:
        path = root / getattr(pair, f"{side}_audio")
        try:
            wavs[side], notes[side] = _read(path, audio.sample_rate, corpus)
        except AudioError as error:
            return Reject(id=pair.id, split=pair.split, reason=f"{side}: {error.reason}", detail=str(error))
    names = {side: f"{corpus.format}/{side}/{pair.id}.{corpus.format}" for side in SIDES}
    for side, wav in wavs.items():
        write_audio(folder / names[side], wav, audio.sample_rate)
    return Utterance(
        id=pair.id,
        split=pair.split,  # type: ignore[arg-type]  # one of SPLITS
        speaker=pair.speaker,
        source_audio=names["source"],
        target_audio=names["target"],
        source_text=pair.source_text,
        target_text=pair.target_text,
        source_duration=len(wavs["source"]) / audio.sample_rate,
        target_duration=len(wavs["target"]) / audio.sample_rate,
        style=pair.style,
        gender=pair.gender,
        age=pair.age,
        target_bandwidth=recorded_bandwidth(folder / names["target"]),
        notes=of_sides(notes),
    )


def _read(path: Path, sample_rate: int, corpus: CorpusConfig) -> tuple[np.ndarray, str]:
    """As ``converted``. AudioError for a low rate too."""
    rate, _ = header(path)
    check_rate(rate, path)
    return converted(path, sample_rate, corpus)
