"""Audio players for notebooks: MP3 inside the page, which the book builder moves to files beside it."""

import base64
import html
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.runs.folder import Run


def player(wav: np.ndarray | Path, sample_rate: int = 0) -> str:
    """Return an HTML audio element with an MP3 of (N,) samples, or of a file, inside.

    ``sample_rate`` (Hz) is needed for samples only. Raises AudioError for a file that cannot be read.
    """
    if isinstance(wav, Path):
        wav, sample_rate = read_audio(wav)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.mp3"
        write_audio(path, wav, sample_rate, bitrate_mode="VARIABLE", compression_level=0.6)
        data = base64.b64encode(path.read_bytes()).decode()
    return f'<audio controls preload="none" style="width: 11rem" src="data:audio/mpeg;base64,{data}"></audio>'


def players(rows: list[dict[str, object]]) -> str:
    """Return an HTML table with one row per dict; a Path or (samples, Hz) becomes a player, any other value text."""

    def cell(value: object) -> str:
        if isinstance(value, Path):
            return player(value)
        if isinstance(value, tuple):
            return player(*value)
        return html.escape(str(value))

    head = "".join(f"<th>{html.escape(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{cell(v)}</td>" for v in row.values()) + "</tr>" for row in rows)
    return f'<table class="players"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def matrix_players(table: pd.DataFrame, run: Run) -> str:
    """Return the table of ``sample_matrix`` with players: one row per content and style, one column per voice."""
    rows: list[dict] = []
    names = {voice: f"voice {number}" for number, voice in enumerate(dict.fromkeys(table.voice), 1)}
    for (content, style), samples in table.groupby(["content", "style"], sort=False):
        voices = {names[row.voice]: run.path / row.sample for row in samples.itertuples()}
        is_repeated = any(row["content"] == content for row in rows)
        rows.append({"content": "" if is_repeated else content, "style": style} | voices)
    return players(rows)
