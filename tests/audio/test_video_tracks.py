"""Times, languages and titles of a video's tracks, and what is not copied."""

import errno
import io
import os
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
import soundfile
from av.stream import Disposition
from films import RATE, film
from helpers import voiced

from thesis_lib.audio import video
from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.video import check_video, dropped_note, played_times, write_video
from thesis_lib.audio.video_packets import _place
from thesis_lib.audio.video_tracks import MILLISECOND, copied_chapters


@pytest.fixture
def speech(tmp_path):
    soundfile.write(tmp_path / "speech.wav", voiced(2.0, 22_050, 300.0), 22_050)
    return tmp_path / "speech.wav"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_film_with_equal_decoding_times_is_written(tmp_path, speech, suffix):
    source = film(tmp_path / "a.mpg", seconds=6.0, picture="mpeg2video", audio="mp2")
    target = tmp_path / f"b{suffix}"
    check_video(source, target)
    assert write_video(source, speech, target, {}) == pytest.approx(6.0, abs=0.1)
    with av.open(str(target)) as container:
        times = [packet.dts for packet in container.demux(container.streams.video[0]) if packet.size]
    assert len(times) == 150
    assert suffix == ".mkv" or (np.diff(times) > 0).all(), "MKV has times of display only"


@pytest.mark.parametrize(
    ("times", "written"),
    [
        ([(0, 0), (9, 9), (18, 18)], [(0, 0), (100, 100), (200, 200)]),
        ([(0, 0), (9, 0), (18, 0)], [(0, 0), (100, 1), (200, 2)]),
        ([(9, 9), (0, 9)], [(100, 100), (101, 101)]),  # never shown before it is decoded
        ([(None, 0), (None, None), (9, 9)], [(0, 0), (1, 1), (100, 100)]),
        ([(9, None), (18, None)], [(100, 100), (200, 200)]),
    ],
)
def test_decoding_times_increase_in_the_time_base_of_the_output(times, written):
    last, found = None, []
    for pts, dts in times:
        packet = av.Packet(b"x")
        packet.time_base, packet.pts, packet.dts, packet.duration = Fraction(1, 90), pts, dts, 9
        last = _place(packet, Fraction(1, 1000), 0.0, last)
        found.append((packet.pts, packet.dts))
        assert packet.duration == 100
    assert found == written


def test_an_error_of_the_muxer_names_the_target_and_an_earlier_video_stays(tmp_path, speech, monkeypatch):
    source, target = film(tmp_path / "a.mkv"), tmp_path / "b.mp4"
    target.write_bytes(b"earlier")

    def stops(*given):
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr(video, "texts", stops)
    with pytest.raises(AudioError, match=r"b\.mp4: cannot be written; FFmpeg stops \(.*name a \.mkv") as error:
        write_video(source, speech, target, {"en": [(0.0, 1.0, "a")]})
    assert isinstance(error.value.__cause__, av.error.FFmpegError)
    assert target.read_bytes() == b"earlier"
    assert {path.name for path in tmp_path.iterdir()} == {"a.mkv", "b.mp4", "speech.wav"}


@pytest.mark.parametrize("size", [0, 20_000])
def test_a_full_disk_is_an_error_that_names_the_target(tmp_path, speech, monkeypatch, size):
    source, target = film(tmp_path / "a.mkv", seconds=6.0), tmp_path / "b.mp4"

    class Disk(io.FileIO):
        def write(self, data):
            if self.tell() + len(data) > size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    monkeypatch.setattr(video, "open", Disk, raising=False)
    with pytest.raises(AudioError, match=r"b\.mp4: cannot be written; .*free some space"):
        write_video(source, speech, target, {})
    assert {path.name for path in tmp_path.iterdir()} == {"a.mkv", "speech.wav"}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_added_tracks_keep_their_languages_and_the_film_its_title(tmp_path, speech, suffix):
    two = [voiced(1.0, RATE), voiced(1.0, RATE, 200.0)]
    languages, roles = ("spa", "fre"), (Disposition.default, Disposition.comment)
    source = film(tmp_path / "a.mkv", two, 1.0, languages=languages, roles=roles, title="My film", comment="mine")
    write_video(source, speech, tmp_path / f"b{suffix}", {}, add=True)
    with av.open(str(tmp_path / f"b{suffix}")) as made:
        assert [track.language for track in made.streams.audio] == ["spa", "fre", "eng"]
        found = [track.disposition & (Disposition.default | Disposition.comment) for track in made.streams.audio]
        assert found[0] == Disposition.default
        assert suffix == ".mp4" or found[1:] == [Disposition.comment, 0]
        tags = {name.lower(): text for name, text in made.metadata.items()}
        assert (tags["title"], tags["comment"]) == ("My film", "mine")
    write_video(source, speech, tmp_path / f"b{suffix}", {}, comment="Consent: Ana")
    with av.open(str(tmp_path / f"b{suffix}")) as made:
        tags = {name.lower(): text for name, text in made.metadata.items()}
        assert (tags["title"], tags["comment"]) == ("My film", "Consent: Ana")


def test_the_tracks_that_are_not_copied_are_named(tmp_path, speech):
    source = film(tmp_path / "a.mkv", [voiced(1.0, RATE)] * 2, seconds=1.0, languages=("eng", "spa"))
    assert dropped_note(source, "b.mkv", add=True) == ""
    assert dropped_note(source, "b.mkv") == f"b.mkv: not copied from {source}: audio track 1 (eng)"
    write_video(source, speech, tmp_path / "b.mkv", {"en": [(0.0, 1.0, "a")]})
    assert "subtitle track 1 (eng)" in dropped_note(tmp_path / "b.mkv", "c.mkv")
    assert dropped_note(film(tmp_path / "c.mkv"), "d.mkv") == ""


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_picture_with_an_unknown_codec_is_one_clear_error(tmp_path, suffix):
    source = film(tmp_path / "a.mkv", seconds=1.0)
    source.write_bytes(source.read_bytes().replace(b"V_MPEG4/ISO/ASP", b"V_XPEG4/ISO/ASP"))
    with pytest.raises(AudioError, match=rf"b\{suffix}: .* cannot hold .* \(a codec without a decoder\)"):
        check_video(source, tmp_path / f"b{suffix}")


def test_the_times_of_a_player(tmp_path, speech):
    delay, end = played_times(film(tmp_path / "a.mkv", [voiced(1.0, RATE)], seconds=4.0, delay=1.0))
    assert (delay, end) == (pytest.approx(1.0, abs=0.05), pytest.approx(4.0, abs=0.1))
    assert played_times(speech) == (0.0, 0.0)


def test_a_missing_film_is_an_audio_error(tmp_path):
    with pytest.raises(AudioError, match=r"a\.mkv: missing file; check the path"):
        check_video(tmp_path / "a.mkv", tmp_path / "b.mkv")


CHAPTERS = [
    {"id": n + 1, "start": start, "end": end, "time_base": MILLISECOND, "metadata": {"title": title}}
    for n, (start, end, title) in enumerate([(0, 1000, "Uno"), (1000, 3000, "Dos y ñ")])
]


def chapters_of(path):
    with av.open(str(path)) as container:
        return [
            (*(float(c[name] * c["time_base"]) for name in ("start", "end")), c["metadata"]["title"])
            for c in container.chapters()
        ]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_chapters_are_copied(tmp_path, speech, suffix):
    plain, source = film(tmp_path / "a.mkv", seconds=3.0), tmp_path / "b.mkv"
    with av.open(str(plain)) as container, av.open(str(source), "w") as made:
        made.set_chapters(CHAPTERS)
        tracks = {stream.index: made.add_stream_from_template(stream) for stream in container.streams}
        for packet in container.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream.index]
                made.mux(packet)
    write_video(source, speech, tmp_path / f"c{suffix}", {})
    assert chapters_of(tmp_path / f"c{suffix}") == [(0, 1, "Uno"), (1, 3, "Dos y ñ")]


def test_the_times_of_chapters_are_those_after_the_first_picture_or_sample():
    found = copied_chapters(SimpleNamespace(chapters=lambda: [dict(chapter) for chapter in CHAPTERS]), 0.5)
    assert [(chapter["start"], chapter["end"]) for chapter in found] == [(0, 500), (500, 2500)]
    [last] = copied_chapters(SimpleNamespace(chapters=lambda: [dict(chapter) for chapter in CHAPTERS]), 1.0)
    assert (last["start"], last["end"]) == (0, 2000)
