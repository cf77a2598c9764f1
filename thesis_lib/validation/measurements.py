"""Measurements of a validation, stored by utterance so that it can resume, and stacked for the statistics."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from thesis_lib.config.renamed import current_column
from thesis_lib.utils.files import replacing
from thesis_lib.validation.evaluation import Results

SOURCE = "source"  # the Spanish recording, among the systems


@dataclass(frozen=True)
class Measured:
    """One utterance: a row for each system, embeddings by (system, encoder's column), and what was not measured."""

    rows: list[dict] = field(default_factory=list)
    missing: list[dict] = field(default_factory=list)
    vectors: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Results) -> "Measured":
        """Join the rows of each system: arrays are embeddings, and the source's other columns go to every system."""
        rows: dict[str, dict] = {}
        vectors = {}
        for row in results.rows:
            joined = rows.setdefault(row["system"], {})
            for column, value in row.items():
                if isinstance(value, np.ndarray):
                    vectors[row["system"], column] = value
                elif column != "metric":
                    joined[column] = value
        source = rows.pop(SOURCE, {})
        return cls([source | row for row in rows.values()], results.missing, vectors)

    def save(self, path: Path) -> None:
        """Write one .npz atomically."""
        text = json.dumps({"rows": self.rows, "missing": self.missing}, default=float)
        arrays: dict[str, Any] = {f"{system}|{column}": vector for (system, column), vector in self.vectors.items()}
        with replacing(path) as partial, open(partial, "wb") as stream:
            np.savez(stream, text=np.array(text), **arrays)

    @classmethod
    def load(cls, path: Path) -> "Measured":
        """Inverse of ``save``."""
        with np.load(path, allow_pickle=False) as stored:
            tree = json.loads(str(stored["text"]))
            vectors = {tuple(name.split("|")): stored[name] for name in stored.files if name != "text"}
        rows = [{current_column(name): value for name, value in row.items()} for row in tree["rows"]]
        return cls(rows, tree["missing"], vectors)


@dataclass(frozen=True)
class Measurements:
    """All utterances, in one order: row i of every array is utterance i."""

    measured: list[Measured]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each utterance and system."""
        return pd.DataFrame([row for one in self.measured for row in one.rows])

    @property
    def missing(self) -> list[dict]:
        """id, system, metric, reason of everything that was not measured."""
        return [row for one in self.measured for row in one.missing]

    @cached_property
    def systems(self) -> list[str]:
        """Names of the systems, in the order of the first utterance's rows."""
        return list(dict.fromkeys(self.table.system))

    @cached_property
    def encoders(self) -> list[str]:
        """Columns for which there are embeddings."""
        return list(dict.fromkeys(column for one in self.measured for _, column in one.vectors))

    @cached_property
    def speakers(self) -> np.ndarray:
        """(n,) speaker of each utterance."""
        return self._of_utterances("speaker_id")

    @cached_property
    def styles(self) -> np.ndarray:
        """(n,) style of each utterance."""
        return self._of_utterances("style")

    def _of_utterances(self, name: str) -> np.ndarray:
        return np.array([one.rows[0][name] for one in self.measured])

    def vectors(self, system: str, column: str) -> np.ndarray:
        """(n, D), a row of NaN where there is none."""
        found = [one.vectors.get((system, column)) for one in self.measured]
        size = next((len(vector) for vector in found if vector is not None), 0)
        return np.array([np.full(size, np.nan) if vector is None else vector for vector in found])

    def cosines(self, system: str, column: str) -> np.ndarray:
        """(n, n): of every output with every Spanish recording; NaN where one is missing."""
        output, source = (_unit(self.vectors(name, column)) for name in (system, SOURCE))
        if not output.size or not source.size:
            return np.full((len(self.measured), len(self.measured)), np.nan)
        return output @ source.T

    def values(self, system: str, name: str) -> np.ndarray:
        """(n,) a column of the table for one system, NaN where it is missing."""
        if name not in self.table:
            return np.full(len(self.measured), np.nan)
        rows = self.table[self.table.system == system].set_index("id")
        return rows.reindex([one.rows[0]["id"] for one in self.measured])[name].to_numpy()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
