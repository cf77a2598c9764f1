"""Audio players."""

import base64
import re

from helpers import voiced

from thesis_lib import reporting
from thesis_lib.audio.files import write_audio


def test_players_escape_text_and_embed_short_mp3(tmp_path):
    write_audio(tmp_path / "a.wav", voiced(2.0), 22_050)
    page = reporting.players([{"text": "<b>", "file": tmp_path / "a.wav", "samples": (voiced(1.0), 22_050)}])
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    data = re.findall(r'preload="none"[^>]* src="data:audio/mpeg;base64,([^"]+)"', page)
    assert len(data) == 2
    assert len(base64.b64decode(data[0])) < 30_000
