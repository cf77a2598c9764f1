import re

import pytest

from thesis_lib.cloning.subtitles import MAX_CUE_LINES, MAX_LINE_CHARS, write_subtitles

LONG = (
    "When the storm had passed the two fishermen went down to the harbour and counted the boats that were left there."
)


def cues(text: str) -> list[tuple[str, str]]:
    """(times, words) of each cue of an SRT or VTT file."""
    return re.findall(r"([\d:.,]+ --> [\d:.,]+)\n((?:.+\n?)+)", text)


def test_both_formats_with_times_and_utf8(tmp_path):
    paths = write_subtitles(tmp_path / "out", "es", [(1.25, 2.5, "¿Qué tal, señora?"), (3661.0, 3662.5, "Adiós.")])
    assert [path.name for path in paths] == ["out.es.srt", "out.es.vtt"]
    srt, vtt = (path.read_text(encoding="utf-8") for path in paths)
    assert "00:00:01,250 --> 00:00:02,500" in srt
    assert "¿Qué tal, señora?" in srt
    assert "01:01:01,000 --> 01:01:02,500" in srt
    assert vtt.startswith("WEBVTT")
    assert "00:00:01.250 --> 00:00:02.500" in vtt


def test_a_long_cue_is_split_into_short_ones_and_loses_no_word(tmp_path):
    srt = write_subtitles(tmp_path / "out", "en", [(2.0, 8.0, LONG)])[0].read_text()
    found = cues(srt)
    assert len(found) > 1
    assert " ".join(words.strip().replace("\n", " ") for _, words in found) == LONG
    for _, words in found:
        assert len(words.strip().splitlines()) <= MAX_CUE_LINES
        assert all(len(line) <= MAX_LINE_CHARS for line in words.splitlines())
    times = [time for pair, _ in found for time in pair.split(" --> ")]
    assert times[0] == "00:00:02,000"
    assert times[-1] == "00:00:08,000"
    assert times == sorted(times)


@pytest.mark.parametrize("text", ["a" * 60, "one", "x " * 100])
def test_any_text_can_be_split_into_lines(tmp_path, text):
    assert text.split()[0][:10] in write_subtitles(tmp_path / "out", "en", [(0.0, 1.0, text)])[0].read_text()
