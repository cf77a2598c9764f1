import html
import re

import av
import numpy as np
import pytest
from containers import RATE, muxed

from thesis_lib.audio.files import write_audio
from thesis_lib.audio.video import CONTAINERS, write_video
from thesis_lib.cloning.subtitles import (
    FULL_WIDTH_BRACES,
    MAX_CUE_LINES,
    MAX_LINE_CHARS,
    embedded_cues,
    write_subtitles,
)

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


# Full lines: the spaces between them make the text longer than the lines together.
FULL_LINES = [" ".join("abcdef"[:lines][i] * MAX_LINE_CHARS for i in range(lines)) for lines in (2, 3, 6)]


@pytest.mark.parametrize("text", ["a" * 60, "one", "x " * 100, *FULL_LINES])
def test_any_text_can_be_split_into_lines(tmp_path, text):
    assert text.split()[0][:10] in write_subtitles(tmp_path / "out", "en", [(0.0, 1.0, text)])[0].read_text()


MARKUP = "if a < b & c, then <i>x</i> --> y {z} {\\an8} C:\\new"


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_text_that_looks_like_markup_is_shown_as_it_is(tmp_path, suffix):
    paths = write_subtitles(tmp_path / "out", "en", [(0.0, 4.0, MARKUP)])
    path = next(path for path in paths if path.suffix == f".{suffix}")
    text = path.read_text(encoding="utf-8")
    shown = " ".join(cues(text)[0][1].split())
    if suffix == "vtt":
        assert "<" not in shown
        assert "-->" not in shown
        assert html.unescape(shown) == MARKUP
    else:
        assert shown.replace("\u2060", "") == MARKUP.translate(FULL_WIDTH_BRACES)
        assert not re.search(r"<[a-zA-Z/]|\{\\|-->", shown), "no player reads markup"
    assert text.count("-->") == len(cues(text))


DECODED = (
    *(
        "a < b and c > d",
        "<i>x</i> <font>",
        "x {y:i} z",
        "{hello} you",
        r"{\an8} x",
        r"{\b1}x{\b0}",
        r"{x\N} \h C:\new \Nx",
    ),
    *("<3 you <", "<<i>>", "a & b &lt; &amp; &nbsp;", "5 --> 6 -->", "｛x｝", "M {1}{2} W"),
)


def shown_by_ffmpeg(path) -> list[str]:
    """The text of each cue after FFmpeg's decoder, which gives ASS: without joiners and line breaks."""
    with av.open(str(path)) as file:
        cues = [cue for packet in file.demux(file.streams.subtitles[0]) for cue in packet.decode()]
    found = [cue.ass.decode().split(",", 8)[8].replace("\\N", " ").replace(r"\{{}", "｛") for cue in cues]
    assert not any(re.search(r"\{|\\[nNh]", text) for text in found), "a player reads neither commands nor breaks"
    return [text.replace("\u2060", "").translate(FULL_WIDTH_BRACES) for text in found]


@pytest.mark.parametrize("suffix", ["srt", "vtt", "mkv", "mp4"])
def test_ffmpeg_decodes_any_text_as_it_was_written(tmp_path, suffix):
    cues = [(2.0 * number, 2.0 * number + 1.0, text) for number, text in enumerate(DECODED)]
    path = tmp_path / f"out.en.{suffix}"
    if suffix in ("srt", "vtt"):
        write_subtitles(tmp_path / "out", "en", cues)
    else:
        source = muxed(tmp_path / "film.mp4", np.zeros(RATE // 4, np.float32), "aac", picture=True)
        write_audio(tmp_path / "speech.wav", np.zeros(RATE // 4, np.float32), RATE)
        shown = embedded_cues({"en": cues}, CONTAINERS[f".{suffix}"].subtitles)
        write_video(source, tmp_path / "speech.wav", path, shown)
    assert shown_by_ffmpeg(path) == [text.translate(FULL_WIDTH_BRACES) for text in DECODED]


@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_control_characters_are_left_out(tmp_path, suffix):
    write_subtitles(tmp_path / "out", "en", [(0.0, 1.0, "a\x00b\x07\x1b c\td")])
    assert cues((tmp_path / f"out.en.{suffix}").read_text(encoding="utf-8"))[0][1].split() == ["ab", "c", "d"]


def test_a_cue_lasts_until_it_can_be_read_where_the_next_one_leaves_time(tmp_path):
    text = "The fishermen counted the boats in it."
    times = [(0.0, 1.0, text), (10.0, 11.0, text), (11.2, 12.0, text), (12.0, 20.0, text)]
    srt = write_subtitles(tmp_path / "out", "en", times)[0].read_text()
    seconds = []
    for pair, _ in cues(srt):
        clock = [time.replace(",", ".").split(":") for time in pair.split(" --> ")]
        seconds.append(tuple(3600 * int(h) + 60 * int(m) + float(s) for h, m, s in clock))
    assert len(text) / (seconds[0][1] - seconds[0][0]) < 21
    assert seconds[1] == (10.0, 11.2), "until the next cue, but not over it"
    assert seconds[3] == (12.0, 20.0)


@pytest.mark.parametrize(
    ("codec", "written"),
    [
        ("mov_text", "a <i>b</i> & c"),
        ("subrip", "a <\u2060i>b<\u2060/i> & c"),
        ("webvtt", "a &lt;i&gt;b&lt;/i&gt; &amp; c"),
    ],
)
def test_text_that_looks_like_markup_in_a_video(codec, written):
    assert embedded_cues({"en": [(0.0, 4.0, "a <i>b</i> & c")]}, codec) == {"en": [(0.0, 4.0, written)]}
