"""The data card of a prepared corpus: counts, durations, rejected rows with reasons, settings and licences."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from thesis_lib.config.registries import CORPORA
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.corpus.readers import READERS
from thesis_lib.corpus.reasons import explained
from thesis_lib.utils.files import write_text

MAX_BAR_CHARS = 40  # of a histogram
BANDWIDTH_EDGES = (0, 3500, 4500, 7000, 8500, np.inf)  # Hz: the bands of 8 and 16 kHz material, and what lies between
SOURCES = {
    "translation": "the Spanish recording of the pair",
    "same speaker": "another recording of the same speaker",
    "same recording": "the recording itself: its speaker has no other",
}
LICENCES = {
    "mini": "Sentences and recordings: CC BY 4.0; spoken by Kokoro-82M (Apache-2.0).",
    "cvss-t": "English: CVSS-T, CC BY 4.0 (Jia et al. 2022). Spanish: Common Voice 4, CC0 (Ardila et al. 2020). "
    "Translations: CoVoST 2, CC0 (Wang et al. 2020).",
    "recordings": "The recordings are the user's own.",
    "manifest": "The recordings are the user's own.",
    **{name: f"{reader.licence} {reader.page}".strip() for name, reader in READERS.items()},
}


def licence_of(made: dict[str, Any]) -> str:
    """The licence of the corpus that these settings made; of a combined one, a line for each member."""
    if made["name"] == "combined":
        names = dict.fromkeys(member["name"] for member in made["members"])
        return "\n\n".join(f"{name}: {licence_of({'name': name})}" for name in names)
    name = made["name"]
    return LICENCES[name] if name in LICENCES else CORPORA.details(name)["licence"]


def save_with_card(manifest: Manifest, made: dict[str, Any]) -> None:
    """Write the data card of a manifest that these settings made, then the manifest; its index completes a corpus."""
    write_text(manifest.folder / "DATA_CARD.md", data_card(manifest, made))
    manifest.save()


def data_card(manifest: Manifest, made: dict[str, Any]) -> str:
    """Markdown: counts, hours, speakers, gender and age where known, durations, rejects, settings and licences."""
    table = manifest.table()
    parts = [f"# Data card: {made['name']}", licence_of(made), "## Splits", _markdown(splits_table(table))]
    for column in ("gender", "age"):
        parts += [f"## {column.capitalize()}, as given by the speakers", _markdown(known(table, column))]
    for side, title in _sides(table).items():
        parts += [f"## Seconds of {title}", _histogram(table[f"{side}_duration"])]
    parts += ["## Sources of the condition", _markdown(sources_table(table))]
    parts += ["## Bandwidth of the targets", _markdown(bandwidth_table(table))]
    parts += ["## Rejected rows", _markdown(rejects_table(manifest))]
    settings = pd.DataFrame([{"setting": key, "value": value} for key, value in made.items()])
    return "\n\n".join([*parts, "## How it was made", _markdown(settings)]) + "\n"


def _sides(table: pd.DataFrame) -> dict[str, str]:
    """{side: what its recordings are}; one side where every source is a recording of the same corpus."""
    kinds = set(table.source_kind)
    if kinds == {"translation"}:
        return {"source": "a Spanish recording", "target": "an English recording"}
    return {"target": "a recording"} if "translation" not in kinds else {"source": "a source", "target": "a target"}


def splits_table(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each split and one for all of them: utterances, or pairs, speakers, and hours of each side."""
    kinds = set(table.source_kind)
    hours = (
        {"Spanish, h": "source", "English, h": "target"} if kinds == {"translation"}
        else {"speech, h": "target"} if "translation" not in kinds
        else {"sources, h": "source", "targets, h": "target"}
    )  # fmt: skip
    splits = [(name, table[table.split == name]) for name in ("train", "validation", "test")] + [("all", table)]
    return pd.DataFrame(
        {"split": name, unit_of(table): len(rows), "speakers": rows.speaker.nunique()}
        | {title: round(rows[f"{side}_duration"].sum() / 3600, 2) for title, side in hours.items()}
        for name, rows in splits
    )


def unit_of(table: pd.DataFrame) -> str:
    """What a row is: a pair, where each is a translation, otherwise an utterance."""
    return "pairs" if set(table.source_kind) == {"translation"} else "utterances"


def known(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """Speakers and pairs of each value of the column ``gender`` or ``age``; "unknown" where a speaker gave none."""
    named = table.assign(**{column: table[column].replace("", "unknown")})
    unit = unit_of(table)
    found = named.groupby(column).agg(**{"speakers": ("speaker", "nunique"), unit: ("id", "size")})
    return found.sort_values(unit, ascending=False, kind="stable").reset_index()


def sources_table(table: pd.DataFrame) -> pd.DataFrame:
    """Utterances and speakers of each kind of source."""
    found = table.groupby("source_kind").agg(utterances=("id", "size"), speakers=("speaker", "nunique"))
    return found.rename(index=SOURCES).rename_axis("source").reset_index()


def bandwidth_table(table: pd.DataFrame) -> pd.DataFrame:
    """Utterances by the bandwidth of their target in Hz; without a number it is full, or could not be measured."""
    hz = table.target_bandwidth.astype(float)
    counts = np.histogram(hz.dropna(), BANDWIDTH_EDGES)[0]
    bands = [f"{low}–{high:.0f} Hz" for low, high in zip(BANDWIDTH_EDGES[:-2], BANDWIDTH_EDGES[1:-1], strict=True)]
    names = [*bands, f"above {BANDWIDTH_EDGES[-2]} Hz", "full, or not measured"]
    return pd.DataFrame({"bandwidth": names, "utterances": [*counts, int(hz.isna().sum())]})


def rejects_table(manifest: Manifest) -> pd.DataFrame:
    """One row for each reason: the number of rows rejected for it, and its meaning."""
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
