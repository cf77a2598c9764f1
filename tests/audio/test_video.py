"""The picture of a video is copied bit for bit, its audio replaced or joined by other speech."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from helpers import voiced

from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.files import read_audio
from thesis_lib.audio.video import check_video, is_video, speech_delay, speech_file, write_video

RATE, SPEECH_RATE = 48_000, 22_050
CODECS = {".mp4": ("mpeg4", "aac"), ".mov": ("mpeg4", "aac"), ".mkv": ("mpeg4", "aac"), ".webm": ("libvpx", "libopus")}


def film(path, seconds=3.0, delay=0.0, picture=True, sound=True, video_codec=None):
    """A moving picture of 25 frames a second, with a buzz that begins ``delay`` s after it."""
    video_name, audio_name = CODECS[path.suffix]
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec or video_name, rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream(audio_name, rate=RATE, layout="mono") if sound else None
        container.start_encoding()
        packets = []
        for number in range(round(25 * seconds) if picture else 0):
            image = np.full((48, 64, 3), 3 * number % 255, np.uint8)
            image[:, number % 64] = 255
            packets += video.encode(av.VideoFrame.from_ndarray(image))
        packets += video.encode(None)
        if audio is not None:
            samples = np.round(32767 * voiced(seconds, RATE)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
            frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), round(delay * RATE)
            packets += [*audio.encode(frame), *audio.encode(None)]
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "speech.wav"
    soundfile.write(path, voiced(2.0, SPEECH_RATE, 300.0), SPEECH_RATE)
    return path


def packets(path, kind="video"):
    with av.open(str(path)) as container:
        tracks = getattr(container.streams, kind)
        return [
            [(float(p.pts * p.time_base), bytes(p)) for p in container.demux(track) if p.size]
            for track in tracks
            if container.seek(0) is None
        ]


def pitch(path):
    wav, rate = read_audio(path)
    spectrum = np.abs(np.fft.rfft(wav[rate // 2 : rate // 2 + rate]))
    return np.fft.rfftfreq(rate, 1 / rate)[spectrum.argmax()]


@pytest.mark.parametrize("suffix", CODECS)
def test_the_picture_is_copied_and_the_audio_replaced(tmp_path, speech, suffix):
    source, target = film(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}"
    check_video(source, target)
    end = write_video(source, speech, target, {}, comment="Consent: Ana")
    assert end == pytest.approx(3.0, abs=0.05)
    [before], [after] = packets(source), packets(target)
    assert [data for _, data in after] == [data for _, data in before]
    assert [time for time, _ in after] == pytest.approx([time for time, _ in before], abs=0.002)
    with av.open(str(target)) as container:
        [audio] = container.streams.audio
        assert audio.codec_context.name == ("opus" if suffix == ".webm" else "aac")
        assert audio.language == "eng"
        assert "Consent: Ana" in {name.lower(): text for name, text in container.metadata.items()}["comment"]
    wav, rate = read_audio(target)
    assert len(wav) / rate == pytest.approx(2.0, abs=0.1)
    assert pitch(source) == pytest.approx(140, abs=3)
    assert pitch(target) == pytest.approx(300, abs=3)


@pytest.mark.parametrize("suffix", CODECS)
def test_subtitles_are_embedded_with_their_times_and_languages(tmp_path, speech, suffix):
    source, target = film(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}"
    cues = {"es": [(0.5, 1.0, "¿qué tal?")], "en": [(0.5, 1.25, "how are\nyou?"), (2.0, 2.5, "bye")]}
    write_video(source, speech, target, cues)
    with av.open(str(target)) as container:
        tracks = container.streams.subtitles
        assert [track.language for track in tracks] == ["spa", "eng"]
        name = {".mkv": "subrip", ".webm": "webvtt"}.get(suffix, "mov_text")
        assert {track.codec_context.name for track in tracks} <= {name, "srt"}
        found = [
            (float(p.pts * p.time_base), float(p.duration * p.time_base), bytes(p).decode()[2 * (name == "mov_text") :])
            for p in container.demux(tracks[1])
            if p.size > 2
        ]
    assert found == [
        (pytest.approx(0.5), pytest.approx(0.75), "how are\nyou?"), (pytest.approx(2.0), pytest.approx(0.5), "bye")
    ]  # fmt: skip
    assert packets(target) == [[(pytest.approx(time, abs=0.002), data) for time, data in packets(source)[0]]]


@pytest.mark.parametrize("suffix", CODECS)
def test_a_track_is_added_after_those_of_the_source(tmp_path, speech, suffix):
    source, target = film(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}"
    check_video(source, target, add=True)
    write_video(source, speech, target, {}, add=True)
    [own], [copied, _] = packets(source, "audio"), packets(target, "audio")
    assert [data for _, data in copied] == [data for _, data in own]
    assert pitch(target) == pytest.approx(140, abs=3), "the source's track is the first"


def test_speech_that_begins_after_the_picture_stays_at_its_place(tmp_path, speech):
    source, target = film(tmp_path / "a.mkv", delay=1.0), tmp_path / "b.mkv"
    assert speech_delay(source) == pytest.approx(1.0, abs=0.05)
    write_video(source, speech, target, {})
    wav, rate = read_audio(target)
    assert len(wav) / rate == pytest.approx(3.0, abs=0.1)
    assert np.abs(wav[: int(0.9 * rate)]).max() < 0.01
    assert np.abs(wav[int(1.1 * rate) :]).max() > 0.1


def test_a_film_of_a_telephone_stays_turned(tmp_path, speech):
    source, target = film(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    data = bytearray(source.read_bytes())
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # of the first track: by 90 degrees
    place = data.index(b"tkhd") + 44
    data[place : place + 36] = matrix
    source.write_bytes(data)
    write_video(source, speech, target, {})
    written = target.read_bytes()
    place = written.index(b"tkhd") + 44
    assert written[place : place + 36] == matrix


def test_another_container_holds_the_picture_or_refuses_it_before_anything_is_written(tmp_path, speech):
    source = film(tmp_path / "a.mkv")
    write_video(source, speech, tmp_path / "b.mp4", {})
    assert [data for _, data in packets(tmp_path / "b.mp4")[0]] == [data for _, data in packets(source)[0]]
    with pytest.raises(
        AudioError, match=r"b\.webm: a \.webm file cannot hold the source's tracks \(mpeg4\); name a \.mkv"
    ):
        check_video(source, tmp_path / "b.webm")
    assert not (tmp_path / "b.webm").exists()


@pytest.mark.parametrize(
    ("suffix", "codec", "remedy"),
    [(".mkv", "h263", r"name a \.mov file"), (".mov", "flv", "convert the source to MP4 first")],
)
def test_the_remedy_is_a_container_that_holds_the_picture(tmp_path, suffix, codec, remedy):
    source = tmp_path / ("a.3gp" if codec == "h263" else "a.flv")
    with av.open(str(source), "w") as container:
        video, audio = container.add_stream(codec, rate=25), container.add_stream("aac", rate=44_100, layout="mono")
        video.width, video.height, video.pix_fmt = 176, 144, "yuv420p"
        container.start_encoding()
        for number in range(5):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((144, 176, 3), 9 * number, np.uint8))))
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8820), np.int16), "s16", "mono")
        frame.sample_rate, frame.pts = 44_100, 0
        for packet in [*video.encode(None), *audio.encode(frame), *audio.encode(None)]:
            container.mux(packet)
    with pytest.raises(AudioError, match=remedy):
        check_video(source, tmp_path / f"b{suffix}")


@pytest.mark.parametrize(
    ("options", "message"),
    [({"sound": False}, "no audio"), ({"picture": False}, "no picture; its video track is empty")],
)
def test_a_video_without_audio_or_with_an_empty_video_track(tmp_path, options, message):
    source = film(tmp_path / "a.mkv", **options)
    with pytest.raises(AudioError, match=rf"a\.mkv: {message}"):
        check_video(source, tmp_path / "b.mkv")


def test_a_recording_without_a_picture_and_a_file_that_is_no_video(tmp_path, speech):
    with pytest.raises(AudioError, match=r"speech\.wav: no picture; .*name an audio file"):
        check_video(speech, tmp_path / "b.mp4")
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(AudioError, match=r"text\.mp4: undecodable"):
        check_video(tmp_path / "text.mp4", tmp_path / "b.mp4")


def test_an_earlier_video_stays_where_the_new_one_fails(tmp_path, speech, monkeypatch):
    source, target = film(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    target.write_bytes(b"earlier")
    with pytest.raises(KeyError):
        write_video(source, speech, target, {"xx": [(0.0, 1.0, "no known language")]})
    assert target.read_bytes() == b"earlier"
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "b.mp4", "speech.wav"}


def test_speech_of_a_video_is_written_beside_it_for_a_time(tmp_path):
    assert is_video(tmp_path / "A.MP4")
    with speech_file(tmp_path / "new" / "a.mp4") as path:
        path.write_bytes(b"x")
        assert path.parent.parent == tmp_path / "new"
    assert list((tmp_path / "new").iterdir()) == []
    with speech_file(tmp_path / "a.wav") as path:
        assert path == tmp_path / "a.wav"
