"""The data card of a prepared corpus: counts, durations, rejected rows with reasons, settings and licences."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from thesis_lib.config.registries import CORPORA
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.corpus.reasons import explained

MAX_BAR_CHARS = 40  # of a histogram
LICENCES = {
    "mini": "Sentences and recordings: CC BY 4.0; spoken by Kokoro-82M (Apache-2.0).",
    "cvss-t": "English: CVSS-T, CC BY 4.0 (Jia et al. 2022). Spanish: Common Voice 4, CC0 (Ardila et al. 2020). "
    "Translations: CoVoST 2, CC0 (Wang et al. 2020).",
    "recordings": "The recordings are the user's own.",
    "manifest": "The recordings are the user's own.",
}


def data_card(manifest: Manifest, made: dict[str, Any]) -> str:
    """Markdown: counts, hours, speakers, gender and age where known, durations, rejects, settings and licences."""
    table = manifest.table()
    name = made["name"]
    licence = LICENCES[name] if name in LICENCES else CORPORA.details(name)["licence"]
    parts = [f"# Data card: {name}", licence, "## Splits", _markdown(splits_table(table))]
    for column in ("gender", "age"):
        parts += [f"## {column.capitalize()}, as given by the speakers", _markdown(known(table, column))]
    for side, language in (("source", "Spanish"), ("target", "English")):
        parts += [f"## Seconds of a {language} recording", _histogram(table[f"{side}_duration"])]
    parts += ["## Rejected rows", _markdown(rejects_table(manifest))]
    settings = pd.DataFrame([{"setting": key, "value": value} for key, value in made.items()])
    return "\n\n".join([*parts, "## How it was made", _markdown(settings)]) + "\n"


def splits_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row a split and one for all of them: pairs, speakers, and hours of each side."""
    splits = [(name, table[table.split == name]) for name in ("train", "validation", "test")] + [("all", table)]
    return pd.DataFrame(
        {
            "split": name,
            "pairs": len(rows),
            "speakers": rows.speaker.nunique(),
            "Spanish, h": round(rows.source_duration.sum() / 3600, 2),
            "English, h": round(rows.target_duration.sum() / 3600, 2),
        }
        for name, rows in splits
    )


def known(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Speakers and pairs of each value of the column ``gender`` or ``age``; "unknown" where a speaker gave none."""
    named = table.assign(**{column: table[column].replace("", "unknown")})
    found = named.groupby(column).agg(speakers=("speaker", "nunique"), pairs=("id", "size"))
    return found.sort_values("pairs", ascending=False, kind="stable").reset_index()


def rejects_table(manifest: Manifest) -> pd.DataFrame:
    """One row a reason: the number of rows rejected for it, and its meaning."""
    counts = Counter(reject.reason for reject in manifest.rejects)
    meaning = explained()
    rows = [(reason, n, meaning.get(reason.split(": ")[-1], "")) for reason, n in counts.most_common()]
    return pd.DataFrame(rows, columns=["reason", "rows", "meaning"])


def _histogram(seconds: pd.Series) -> str:
    edges = np.arange(np.floor(seconds.min()), np.ceil(seconds.max()) + 1)
    counts = np.histogram(seconds, edges)[0]
    bars = (
        f"{low:3.0f} {'#' * round(MAX_BAR_CHARS * n / counts.max())} {n}" for low, n in zip(edges, counts, strict=False)
    )
    return "```\n" + "\n".join(bars) + "\n```"


def _markdown(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(map(str, cells)) + " |" for cells in lines)
