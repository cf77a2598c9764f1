"""What is written to an SRT file is read again as it was, and times that differ by rounding are no errors."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from thesis_lib.audio.files import write_audio
from thesis_lib.audio.voice_activity import Segment
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.script import ScriptSegment, as_written, read_script, write_script
from thesis_lib.cloning.segments import TranslatedSegment
from thesis_lib.cloning.srt import read_srt, single_spaced
from thesis_lib.cloning.subtitles import srt_text

# Private characters stand for markup while a file is written; surrogates are no UTF-8.
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Co")), max_size=40)


@given(TEXTS)
@example("hello  my friend")
@example(" <b>hello</b> {\\an8}friend ")
@example("a\u2028b --> c")
@example("\u2060hello \u2060 my friend")
@example("5")
@example("hello\\Nmy friend")
@example("{y:i} {\\an8} ｛hello｝ a < b > c \\")
def test_any_text_is_read_as_it_was_written(text):
    written = srt_text([(1.0, 2.0, single_spaced(text)), (3.0, 4.0, "b")])
    first, second = read_srt(Path("a.srt"), written)
    assert first.text == single_spaced(text)
    assert (first.line, first.start, first.end) == (2, 1.0, 2.0)
    assert (second.text, second.start) == ("b", 3.0)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    path = tmp_path_factory.mktemp("quiet") / "a.wav"
    write_audio(path, np.zeros(80_000, np.float32), 8_000)
    return path


@pytest.mark.parametrize("suffix", ["srt", "json"])
@pytest.mark.parametrize("delay", [0.0, 2.0123456789])
def test_a_segment_is_what_reading_its_script_gives(quiet, tmp_path, monkeypatch, suffix, delay):
    monkeypatch.setattr("thesis_lib.cloning.script.played_times", lambda source: (delay, 12.5))
    path, wav = tmp_path / f"a.{suffix}", np.zeros(0, np.float32)
    pairs = [(0.1 + 1 / 3, 1.7 + 1e-7), (2.00049, 2.9)]
    given_segments = [TranslatedSegment(Segment(a, b, wav), "", " hello  <i>my</i> friend") for a, b in pairs]
    segments = [as_written(x, path, delay) for x in given_segments]
    write_script(path, quiet, [ScriptSegment.of(x) for x in segments])
    read = read_script(path, quiet).segments
    assert [(x.start, x.end, x.english) for x in read] == [
        (x.segment.start, x.segment.end, x.english) for x in segments
    ]
    assert [x.start for x in read] == pytest.approx([a for a, _ in pairs], abs=0.001)
    first = pairs[0][0] + delay
    assert (
        f"00:00:0{int(first)},{round(1000 * (first % 1)):03}" if suffix == "srt" else str(first)[:5]
    ) in path.read_text()


def script(*times):
    lines = [f"{n}\n00:00:{a:06.3f} --> 00:00:{b:06.3f}\nhello\n" for n, (a, b) in enumerate(times, 1)]
    return "\n".join(lines)


def test_an_overlap_by_rounding_shortens_the_first_subtitle(quiet, tmp_path):
    path = tmp_path / "a.srt"
    path.write_text(script((1, 2.001), (2, 3), (2.95, 4)))
    assert [(x.start, x.end) for x in read_script(path, quiet).segments] == [(1, 2), (2, 2.95), (2.95, 4)]
    path.write_text(script((1, 2.2), (2, 3)))
    with pytest.raises(CloningError, match=r"a\.srt, line 6 \(2-3 s\): it begins before line 2 ends, at 2\.2 s"):
        read_script(path, quiet)
    path.write_text(script((1, 1.05), (1, 3)))
    with pytest.raises(CloningError, match="begins before"):
        read_script(path, quiet)


def test_times_before_the_audio_of_a_video_and_after_its_picture(quiet, tmp_path, monkeypatch):
    monkeypatch.setattr("thesis_lib.cloning.script.played_times", lambda source: (2.0, 14.0))
    path = tmp_path / "a.srt"
    path.write_text(script((1.5, 3.0), (13.0, 14.0)))
    assert [(x.start, x.end) for x in read_script(path, quiet).segments] == [(0.0, 1.0), (11.0, 12.0)]
    path.write_text(
        script(
            (0.5, 2.0),
        )
    )
    with pytest.raises(CloningError, match=r"line 2 .*: it ends before the audio begins, at 2\.0 s"):
        read_script(path, quiet)
    path.write_text(
        script(
            (13.0, 14.2),
        )
    )
    with pytest.raises(CloningError, match=r"it ends at 14\.2 s, after the end of the recording \(14\.0 s\)"):
        read_script(path, quiet)


@pytest.mark.parametrize(
    "times", ["00:00:02,268 → 00:00:04,132", "00: 00: 02,268 ->00:00:04,132", "0:00:02.2 - 0:00:04.1"]
)
def test_times_with_another_arrow_are_an_error_and_not_text(times):
    with pytest.raises(CloningError, match=r"a\.srt, line 5: .* is not a valid time line"):
        read_srt(Path("a.srt"), f"1\n00:00:00,000 --> 00:00:01,000\nHello\n2\n{times}\nMy friend\n")
    text = "From 10:00:00,5 to 11:00:00,5"
    assert read_srt(Path("a.srt"), srt_text([(1.0, 2.0, text)]))[0].text == text
