"""The folder of acted recordings that THESIS_EMOTIONS names, and the rows of its table that may be measured."""

import os
from pathlib import Path

import pandas as pd

TABLE = "utterances.tsv"


def acted_folder(layout: str) -> Path:
    """The folder. SystemExit, with the ``layout`` that is needed, where THESIS_EMOTIONS is not set."""
    folder = os.environ.get("THESIS_EMOTIONS")
    if not folder:
        raise SystemExit(f"THESIS_EMOTIONS must name a folder with {layout}")
    return Path(folder)


def acted_table(folder: Path, train: bool = False) -> pd.DataFrame:
    """The rows of ``TABLE`` that are marked "train" in ``use``, or the others; a missing ``corpus`` is the folder's."""
    table = pd.read_csv(folder / TABLE, sep="\t", dtype=str)
    table = table.assign(corpus=table.get("corpus", folder.name), use=table.get("use", ""))
    return table[(table.use == "train") == train].reset_index(drop=True)


def complete(rows: list[dict], missing: list[dict]) -> pd.DataFrame:
    """The rows of the numbers of which nothing is missing."""
    left_out = {entry["number"] for entry in missing}
    return pd.DataFrame([row for row in rows if row["number"] not in left_out])
