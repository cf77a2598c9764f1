"""The manifest: one validated row for each utterance pair, and the table of rejected rows with their reasons.

``manifest.json`` names the schema's version and the shards, Parquet files below ``manifest/`` with the columns of
``Utterance``. ``rejects.jsonl`` has one line for each rejected row.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import replacing, sha256, write_text

SCHEMA_VERSION = 2  # version 1: one line of JSON an utterance
MAX_SHARD_ROWS = 25_000

NOT_TRANSCRIBED = "(not transcribed)"  # the text of a recording without a known transcript

Split = Literal["train", "validation", "test"]
SourceKind = Literal["translation", "same speaker", "same recording"]


class ManifestError(ThesisError):
    """A manifest that is missing, damaged or inconsistent."""


def is_plain_name(name: str) -> bool:
    """Whether a name is a plain file name: printable, not hidden, without a folder."""
    return bool(name) and name == Path(name).name and name.isprintable() and not name.startswith(".")


def damaged(*cells: str) -> bool:
    """Whether a cell holds lone surrogates: bytes that are not UTF-8, as ``errors="surrogateescape"`` reads them."""
    return any("\ud800" <= letter <= "\udfff" for cell in cells if not cell.isascii() for letter in cell)


def _inside(path: str) -> str:
    if Path(path).is_absolute() or not all(map(is_plain_name, Path(path).parts)):
        raise ValueError(f"{path!r} leads out of the manifest's folder")
    return path


class Utterance(BaseModel):
    """One pair of recordings in the same voice: the vocoder makes the target, the source supplies the condition.

    In a corpus of translations the source is Spanish and the target English, with the same content. In a corpus of one
    language the target is a recording and the source another one of the same speaker, or, where there is none, itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, AfterValidator(_inside)] = Field(min_length=1)  # also names the files derived from the pair
    split: Split
    speaker: str = Field(min_length=1)
    source_audio: Annotated[str, AfterValidator(_inside)]  # relative to the manifest's folder
    target_audio: Annotated[str, AfterValidator(_inside)]
    source_text: str = Field(min_length=1)
    target_text: str = Field(min_length=1)
    source_duration: float = Field(gt=0)  # s
    target_duration: float = Field(gt=0)  # s
    style: str = ""  # speaking style, of the bundled corpus only
    gender: str = ""  # as given by the speaker; empty where unknown
    age: str = ""  # as given by the speaker: "twenties", …
    source_kind: SourceKind = "translation"  # what the source is to the target
    target_bandwidth: float | None = Field(None, gt=0)  # Hz, of the target's signal; None: full, or not measured
    notes: str = ""  # what was repaired, filled, chosen or not read in the original recordings


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLabels:
    """Metadata of a pair, without its recordings."""

    split: str
    speaker: str
    source_text: str
    target_text: str
    style: str = ""
    gender: str = ""
    age: str = ""


class Reject(BaseModel):
    """A rejected row and the reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    split: str
    reason: str
    detail: str = ""


class Shard(BaseModel):
    """One Parquet file of the manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Annotated[str, AfterValidator(_inside)]
    rows: int = Field(ge=0)
    sha256: str


class Index(BaseModel):
    """The content of manifest.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2]
    shards: tuple[Shard, ...]


class Manifest:
    """Utterances, their folder and the rejects. Raises ManifestError for a repeated id or a speaker in two splits."""

    def __init__(self, folder: Path, utterances: Iterable[Utterance], rejects: Iterable[Reject] = ()) -> None:
        self.folder = Path(folder)
        self.utterances = sorted(utterances, key=lambda u: u.id)
        self.rejects = sorted(rejects, key=lambda r: (r.split, r.id))
        repeated = [id for id, n in Counter(u.id for u in self.utterances).items() if n > 1]
        if repeated:
            raise ManifestError(f"{self.folder}: utterance {repeated[0]} is listed twice")
        places: dict[str, set[str]] = {}
        for utterance in self.utterances:
            places.setdefault(utterance.speaker, set()).add(utterance.split)
        shared = [speaker for speaker, splits in places.items() if len(splits) > 1]
        if shared:
            raise ManifestError(f"{self.folder}: speaker {shared[0][:16]} is in {sorted(places[shared[0]])}")

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    def table(self) -> pd.DataFrame:
        """The utterances as a table: one row each, the fields as columns."""
        return pd.DataFrame([u.model_dump() for u in self.utterances])

    def split(self, name: Split) -> list[Utterance]:
        """The utterances of one split, sorted by id."""
        return [u for u in self.utterances if u.split == name]

    def source(self, utterance: Utterance) -> Path:
        """The path of the source recording, the Spanish one of a pair."""
        return self.folder / utterance.source_audio

    def target(self, utterance: Utterance) -> Path:
        """The path of the target recording, the English one of a pair."""
        return self.folder / utterance.target_audio

    def save(self) -> None:
        """Write rejects and shards, and manifest.json last: where it exists, all files are complete."""
        from pyarrow import Table, float64, parquet, schema, string

        write_text(self.folder / "rejects.jsonl", "".join(row.model_dump_json() + "\n" for row in self.rejects))
        parts = [self.utterances[i : i + MAX_SHARD_ROWS] for i in range(0, len(self.utterances), MAX_SHARD_ROWS)]
        # Named types: a column of which one shard has no value would be of another type in that shard.
        numbers = [name for name, field in Utterance.model_fields.items() if field.annotation in (float, float | None)]
        types = schema((name, float64() if name in numbers else string()) for name in Utterance.model_fields)
        shards = []
        for number, part in enumerate(parts):
            path = self.folder / "manifest" / f"part-{number:05d}-of-{len(parts):05d}.parquet"
            with replacing(path) as partial:
                parquet.write_table(
                    Table.from_pylist([u.model_dump() for u in part], types), partial, compression="zstd"
                )
            name = path.relative_to(self.folder).as_posix()
            shards.append(Shard(file=name, rows=len(part), sha256=sha256(path)))
        index = Index(schema_version=SCHEMA_VERSION, shards=tuple(shards))
        write_text(index_of(self.folder), index.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Read a saved manifest. ManifestError with the file and the row that is wrong."""
        folder = Path(folder)
        if not index_of(folder).exists():
            raise ManifestError(f"{index_of(folder)} is missing: run `thesis prepare` first")
        index = _index(index_of(folder))
        utterances = [u for shard in index.shards for u in _rows(folder / shard.file, shard)]
        return cls(folder, utterances, _rejects(folder / "rejects.jsonl"))


def index_of(folder: Path) -> Path:
    """The path of manifest.json: it exists when the manifest is complete, and changes with every row."""
    return Path(folder) / "manifest.json"


def _index(path: Path) -> Index:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(tree, dict) and tree.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
            version = tree["schema_version"]
            raise ManifestError(
                f"{path} has schema {version}, this version reads {SCHEMA_VERSION}: run `thesis prepare` again"
            )
        return Index.model_validate(tree)
    except (ValueError, ValidationError) as error:
        raise ManifestError(f"{path} is damaged ({_first(error)}): run `thesis prepare` again") from error


def _rows(path: Path, shard: Shard) -> list[Utterance]:
    from pyarrow import ArrowException, parquet

    if not path.exists():
        raise ManifestError(f"{path} is missing: run `thesis prepare` again")
    if sha256(path) != shard.sha256:
        raise ManifestError(f"{path} has changed since manifest.json was written: run `thesis prepare` again")
    try:
        # One thread: pyarrow's thread pool would block a process that is forked later.
        rows = parquet.ParquetFile(path).read(use_threads=False).to_pylist()
        return TypeAdapter(list[Utterance]).validate_python(rows)
    except (ArrowException, OSError) as error:
        raise ManifestError(f"{path} is no Parquet file: run `thesis prepare` again") from error
    except ValidationError as error:
        row = int(error.errors()[0]["loc"][0]) + 1
        raise ManifestError(f"{path}, row {row}: {_first(error)}") from error


def _rejects(path: Path) -> list[Reject]:
    if not path.exists():
        raise ManifestError(f"{path} is missing: run `thesis prepare` again")
    rows = []
    # Not splitlines, which also splits at U+2028 inside a text.
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], 1):
        try:
            rows.append(Reject.model_validate_json(line))
        except ValidationError as error:
            raise ManifestError(f"{path}, line {number}: {_first(error)}") from error
    return rows


def _first(error: Exception) -> str:
    """The first problem, on one line."""
    return error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
