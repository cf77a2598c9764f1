"""The bundled corpus, unpacked into the layout of CVSS-T + Common Voice 4 + CoVoST 2.

The bundle is Opus audio and a table in the package's data. The speech is synthesised by Kokoro
(scripts/build_mini_corpus.py). The reader of the real release reads it too.
"""

import csv
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus.cvss_t import SPLITS, Release
from thesis_lib.corpus.split import client_id, is_validation, spread
from thesis_lib.utils.files import write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.utils.text import normalise_text

RATE = 24_000  # Hz, as CVSS-T has it


def bundle() -> Path:
    """The folder of the bundled corpus."""
    return Path(str(resources.files("thesis_lib"))) / "data" / "mini"


def table(config: CorpusConfig) -> pd.DataFrame:
    """One row for each bundled pair: id, split, voice, style, both texts and the measured checks.

    ``split`` is the project's: train, validation or test; ``release_split`` is that of the release.
    ``config.limit`` is the number of pairs of each.
    """
    rows = pd.read_csv(bundle() / "pairs.tsv", sep="\t", quoting=csv.QUOTE_NONE, dtype={"id": str})
    rows = rows.rename(columns={"split": "release_split"})
    held = [is_validation(client_id(v), config.validation_fraction, config.split_seed) for v in rows.voice]
    rows["split"] = [
        "test" if s != "train" else "validation" if h else "train"
        for s, h in zip(rows.release_split, held, strict=True)
    ]
    if config.limit is not None:
        rows = pd.concat(_some(pairs, config.limit) for _, pairs in rows.groupby("split")).sort_index()
    return rows.reset_index(drop=True)


def _some(pairs: pd.DataFrame, count: int) -> pd.DataFrame:
    """``count`` pairs, two a voice, of voices evenly spaced over the table, so that few pairs have several voices."""
    voices = pairs.voice.unique()
    chosen = voices[spread(len(voices), -(-count // 2))]
    return pairs[pairs.voice.isin(chosen)].groupby("voice", sort=False).head(2).head(count)


def rejected() -> pd.DataFrame:
    """The synthesised pairs that were rejected from the bundle, with reasons."""
    return pd.read_csv(bundle() / "rejects.tsv", sep="\t", quoting=csv.QUOTE_NONE, dtype={"id": str})


def write_release(root: Path, config: CorpusConfig, progress: Progress = silent) -> Release:
    """Write the release below ``root``: MP3 for Spanish, 24 kHz WAV for English. Existing files are kept."""
    release = Release.at(root)
    rows = table(config)
    rows["file"] = [f"common_voice_es_{id}.mp3" for id in rows.id]

    def write(row: Any) -> None:
        sides: tuple[tuple[str, Path, dict[str, Any]], ...] = (
            ("es", release.common_voice / "clips" / row.file, {"bitrate_mode": "VARIABLE", "compression_level": 0.2}),
            ("en", release.cvss / row.release_split / f"{row.file}.wav", {}),
        )
        for language, path, options in sides:
            if not path.exists():
                wav, rate = read_audio(bundle() / "audio" / f"{row.id}.{language}.opus")
                write_audio(path, wav, rate, **options)

    # The codecs release Python's global lock, so threads use several cores.
    with ThreadPoolExecutor() as pool:
        for _ in progress(pool.map(write, rows.itertuples()), len(rows), "unpack"):
            pass

    for split in SPLITS:
        pairs = rows[rows.release_split == split]
        _write_tsv(release.cvss / f"{split}.tsv", zip(pairs.file, map(normalise_text, pairs.en), strict=True))
    speakers = [client_id(voice) for voice in rows.voice]
    columns = ["client_id", "path", "sentence", "up_votes", "down_votes", "age", "gender", "accent"]
    spoken = ([s, f, t, "2", "0", "", "", ""] for s, f, t in zip(speakers, rows.file, rows.es, strict=True))
    _write_tsv(release.common_voice / "validated.tsv", [columns, *spoken])
    translated = (
        [f, t.replace("\\", "\\\\"), s] for f, t, s in zip(rows.file, rows.en, rows.release_split, strict=True)
    )
    _write_tsv(release.covost, [["path", "translation", "split"], *translated])
    _write_tsv(release.styles, [["path", "style"], *zip(rows.file, rows["style"], strict=True)])
    return release


def _write_tsv(path: Path, rows: Iterable[Iterable[str]]) -> None:
    write_text(path, "".join("\t".join(row) + "\n" for row in rows))
