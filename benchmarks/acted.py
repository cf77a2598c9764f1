"""The folder of acted recordings that THESIS_EMOTIONS names, the rows of its table, and the evaluation on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.folders import optional_folder, required_folder
from benchmarks.together import Sound, complete_rows
from thesis_lib.utils.progress import bar
from thesis_lib.validation import Scorer, System, TestSet, evaluate

VARIABLE, TABLE = "THESIS_EMOTIONS", "utterances.tsv"


@dataclass(frozen=True)
class Acted:
    """An acted recording, or a segment of one, and the English text that is spoken for it."""

    number: int
    speaker: str
    emotion: str
    recording: str
    text: str
    read: Callable[[], Sound]

    @property
    def about(self) -> dict[str, Any]:
        """The columns of a row."""
        return {name: getattr(self, name) for name in ("number", "speaker", "emotion", "recording", "text")}


# (output, sample rate, source, its sample rate, text that the output should have or None) -> columns
Measure = Callable[[np.ndarray, int, np.ndarray, int, str | None], dict[str, Any]]


def acted_folder(layout: str) -> Path:
    """The folder. SystemExit, with the ``layout`` that is needed, where THESIS_EMOTIONS is not set."""
    return required_folder(VARIABLE, f"acted recordings with {layout}")


def acted_table(folder: Path, train: bool = False) -> pd.DataFrame:
    """The rows of ``TABLE`` that are marked "train" in ``use``, or the others; a missing ``corpus`` is the folder's."""
    table = pd.read_csv(folder / TABLE, sep="\t", dtype=str)
    table = table.assign(corpus=table.get("corpus", folder.name), use=table.get("use", ""))
    return table[(table.use == "train") == train].reset_index(drop=True)


def evaluated(items: Sequence[Acted], systems: Sequence[System], measure: Measure) -> tuple[pd.DataFrame, list[dict]]:
    """One row for each item and system, of the items that are measured with every system; and what is not measured.

    The words of an output are compared with the item's text, unless they are the recording's own.
    """

    def scorer(has_words: bool) -> Scorer[Acted, Sound]:
        def score(item: Acted, output: Sound) -> dict[str, Any]:
            return measure(*output, *item.read(), None if has_words else item.text)

        return Scorer(score, takes=lambda system: system.has_words == has_words)

    test_set = TestSet(items, lambda item: item.about, "recordings")
    results = evaluate(test_set, systems, [scorer(True), scorer(False)], bar)
    rows = complete_rows(results, ["number"])
    return pd.DataFrame(rows), [entry | {"reason": _without_folder(entry["reason"])} for entry in results.missing]


def _without_folder(reason: str) -> str:
    folder = optional_folder(VARIABLE)
    return reason.replace(f"{folder}/", "") if folder else reason
