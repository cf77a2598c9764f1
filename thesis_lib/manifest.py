"""The manifest: one validated line an utterance pair, and the table of what was left out, with reasons."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from thesis_lib.errors import ThesisError
from thesis_lib.runs import write_text

Split = Literal["train", "validation", "test"]


class ManifestError(ThesisError):
    """A manifest that is damaged or empty."""


def is_plain_name(name: str) -> bool:
    """Whether a name is one file's, in no other folder: nothing that a path could be led astray by."""
    return bool(name) and name == Path(name).name and name.isprintable() and not name.startswith(".")


def _inside(path: str) -> str:
    if Path(path).is_absolute() or not all(map(is_plain_name, Path(path).parts)):
        raise ValueError(f"{path!r} leads out of the manifest's folder")
    return path


class Utterance(BaseModel):
    """One pair: Spanish (source) and English (target), the same content in the same voice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, AfterValidator(_inside)] = Field(min_length=1)  # names files of what is derived from it
    split: Split
    speaker: str = Field(min_length=1)
    source_audio: Annotated[str, AfterValidator(_inside)]  # relative to the manifest's folder
    target_audio: Annotated[str, AfterValidator(_inside)]
    source_text: str = Field(min_length=1)
    target_text: str = Field(min_length=1)
    source_duration: float = Field(gt=0)  # s
    target_duration: float = Field(gt=0)  # s
    style: str = ""  # of the bundled corpus; a manner of speaking, not an emotion


class Reject(BaseModel):
    """One row that did not become an utterance, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    split: str
    reason: str
    detail: str = ""


class Manifest:
    """Utterances with their folder and the rejects; unique ids, no speaker in two splits."""

    def __init__(self, folder: Path, utterances: Iterable[Utterance], rejects: Iterable[Reject] = ()) -> None:
        self.folder = Path(folder)
        self.utterances = sorted(utterances, key=lambda u: u.id)
        self.rejects = sorted(rejects, key=lambda r: (r.split, r.id))
        repeated = [id for id, n in Counter(u.id for u in self.utterances).items() if n > 1]
        if repeated:
            raise ManifestError(f"{self.folder}: utterance {repeated[0]} stands there twice")
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
        """One row an utterance, its fields as columns."""
        return pd.DataFrame([u.model_dump() for u in self.utterances])

    def split(self, name: Split) -> list[Utterance]:
        """The utterances of one split, in the order of their ids."""
        return [u for u in self.utterances if u.split == name]

    def source(self, utterance: Utterance) -> Path:
        """The Spanish recording."""
        return self.folder / utterance.source_audio

    def target(self, utterance: Utterance) -> Path:
        """The English recording."""
        return self.folder / utterance.target_audio

    def save(self) -> None:
        """Write rejects.jsonl, then manifest.jsonl: the manifest's presence says that both are whole."""
        for name, rows in (("rejects", self.rejects), ("manifest", self.utterances)):
            write_text(self.folder / f"{name}.jsonl", "".join(row.model_dump_json() + "\n" for row in rows))

    @classmethod
    def load(cls, folder: Path) -> "Manifest":
        """Read what ``save`` wrote; ManifestError names the line that is wrong."""
        rows: dict[str, list] = {}
        for name, kind in (("rejects", Reject), ("manifest", Utterance)):
            path = Path(folder) / f"{name}.jsonl"
            if not path.exists():
                raise ManifestError(f"{path} is missing: run `thesis prepare` first")
            rows[name] = []
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                try:
                    rows[name].append(kind.model_validate_json(line))
                except ValidationError as error:
                    raise ManifestError(f"{path}, line {number}: {error.errors()[0]['msg']}") from error
        return cls(Path(folder), rows["manifest"], rows["rejects"])
