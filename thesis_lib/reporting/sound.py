"""Sounds on a page: short MP3 inside the notebook, which the book moves to files beside the page."""

import base64
import html
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.runs.folder import Run


def player(wav: np.ndarray | Path, sample_rate: int = 0) -> str:
    """An HTML audio element with a short MP3 inside; the book moves it to a file beside the page."""
    if isinstance(wav, Path):
        wav, sample_rate = read_audio(wav)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.mp3"
        write_audio(path, wav, sample_rate, bitrate_mode="VARIABLE", compression_level=0.6)
        data = base64.b64encode(path.read_bytes()).decode()
    return f'<audio controls preload="none" style="width: 11rem" src="data:audio/mpeg;base64,{data}"></audio>'


def players(rows: list[dict[str, object]]) -> str:
    """An HTML table: strings are escaped, and a Path or (samples, rate) becomes a player."""

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
    """A matrix to listen to: a row a content and style, a column a voice."""
    rows: list[dict] = []
    names = {voice: f"voice {number}" for number, voice in enumerate(dict.fromkeys(table.voice), 1)}
    for (content, style), part in table.groupby(["content", "style"], sort=False):
        voices = {names[row.voice]: run.path / row.sample for row in part.itertuples()}
        said_already = any(row["content"] == content for row in rows)
        rows.append({"content": "" if said_already else content, "style": style} | voices)
    return players(rows)
