"""The recordings that the emotion encoder is trained and selected on, from folders with a table."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from thesis_lib.utils.errors import ThesisError

TABLE = "utterances.tsv"
# Two speakers and two sentences are held out at a time, and as many are trained on.
MIN_VALUES = {"speaker": 4, "emotion": 2, "sentence": 4}
MEASURE_ONLY = "measure only"  # of the column "use": never trained on, never selected on


class RecordingsError(ThesisError):
    """A folder without a usable table, or with too few recordings."""


@dataclass(frozen=True)
class Clip:
    """One recording; ``emotion`` and ``sentence`` are empty where the table has no such column."""

    path: Path
    corpus: str
    speaker: str
    emotion: str = ""
    sentence: str = ""


def acted(folder: Path) -> list[Clip]:
    """The recordings of ``folder``/utterances.tsv (path, speaker, emotion, sentence; optional corpus, use).

    Rows with "measure only" in ``use`` are left out. Raises RecordingsError without such a table, and where the rest
    has fewer values of a column than ``MIN_VALUES``: then a head cannot be selected on it.
    """
    clips = _clips(folder, ("path", "speaker", "emotion", "sentence"))
    for name, least in MIN_VALUES.items():
        if (count := len({getattr(clip, name) for clip in clips})) < least:
            raise RecordingsError(f"{folder / TABLE}: {count} {name}s may be trained on, and selection needs {least}")
    return clips


def read_aloud(folder: Path, corpus: str, speakers: int, per_speaker: int) -> list[Clip]:
    """``per_speaker`` recordings of each of the first ``speakers`` of a corpus in ``folder``/utterances.tsv.

    They have no emotion label: they give the speaker offsets, and selection identifies speakers among them. Raises
    RecordingsError as ``acted`` does, and with fewer than two such speakers.
    """
    found: dict[str, list[Clip]] = {}
    for clip in _clips(folder, ("path", "speaker")):
        if clip.corpus == corpus:
            found.setdefault(clip.speaker, []).append(clip)
    full = [found[name][:per_speaker] for name in sorted(found) if len(found[name]) >= per_speaker]
    if len(full) < 2:
        raise RecordingsError(f"{folder / TABLE}: needed are two speakers of {corpus} with {per_speaker} recordings")
    return [clip for clips in full[:speakers] for clip in clips]


def _clips(folder: Path, needed: tuple[str, ...]) -> list[Clip]:
    try:
        table = pd.read_csv(folder / TABLE, sep="\t", dtype=str).fillna("")
    except (OSError, ValueError) as error:
        raise RecordingsError(f"{folder / TABLE}: no table can be read there: {error}") from error
    if missing := [name for name in needed if name not in table]:
        raise RecordingsError(f"{folder / TABLE}: the column {missing[0]} is missing")
    if "use" in table:
        table = table[table.use != MEASURE_ONLY]
    columns = [name for name in ("speaker", "emotion", "sentence") if name in table]
    rows = table.assign(corpus=table.get("corpus", folder.name)).to_dict("records")
    return [Clip(folder / row["path"], row["corpus"], **{name: row[name] for name in columns}) for row in rows]
