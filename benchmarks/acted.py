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


def acted_table(folder: Path) -> pd.DataFrame:
    """The rows of ``TABLE`` without those marked "train" in ``use``; ``corpus`` is the folder's name where missing."""
    table = pd.read_csv(folder / TABLE, sep="\t", dtype=str)
    table = table.assign(corpus=table.get("corpus", folder.name), use=table.get("use", ""))
    return table[table.use != "train"].reset_index(drop=True)
