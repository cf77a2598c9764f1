"""Audio and video files of every container, and files with another length in the header than in their packets."""

from pathlib import Path

import av
import numpy as np
import soundfile
from helpers import voiced

RATE = 48_000
# Every container that is written here, and the codec of its audio.
CODECS = {
    "wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame", "opus": "libopus", "aiff": "pcm_s16be", "au": "pcm_s16be",
    "caf": "pcm_s16le", "w64": "pcm_s16le", "m4a": "aac", "aac": "aac", "mp4": "aac", "mov": "pcm_s24le", "mkv": "aac",
    "webm": "libopus", "wma": "wmav2", "avi": "pcm_s16le", "3gp": "aac", "mp2": "mp2", "mpg": "mp2", "vob": "mp2",
    "ts": "aac", "mts": "ac3", "m2ts": "ac3", "flv": "aac", "f4v": "aac", "asf": "wmav2", "3g2": "aac",
    "weba": "libopus", "mxf": "pcm_s16le", "ac3": "ac3", "wv": "wavpack", "tta": "tta",
}  # fmt: skip
FORMATS = {"mp3": {}, "ogg": {}, "opus": {"format": "OGG", "subtype": "OPUS"}, "flac": {}, "wav": {}, "aiff": {}}
MUXERS = {".weba": "webm", ".mxf": "mxf_opatom"}  # where the suffix does not say it


def encoded(path, wav, rate=RATE, **options):
    """Write with libsndfile; return the bytes."""
    suffix = path.suffix[1:]
    for start in range(0, max(1, len(wav)), rate):  # in blocks: see audio.files.writing
        if not start:
            stream = soundfile.SoundFile(path, "w", rate, 1, **FORMATS[suffix] | options)
        stream.write(wav[start : start + rate])
    stream.close()
    return path.read_bytes()


def muxed(path, wav, codec, rate=RATE, picture=False, sound=True):
    """Write a container with FFmpeg, with a picture track or without sound where asked."""
    with av.open(str(path), "w", format=MUXERS.get(path.suffix)) as container:
        tracks = []
        if picture:
            video = container.add_stream("mpeg4", rate=25)
            video.width = video.height = 32
            tracks.append((video, [av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8)) for _ in range(5)]))
        if sound:
            samples = np.round(wav * 32767).astype(np.int16)[None]
            frames = [
                av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[:, start : start + 960]), "s16", "mono")
                for start in range(0, len(wav), 960)
            ]
            for frame in frames:
                frame.sample_rate = rate
            track = container.add_stream(codec, rate=rate, layout="mono")
            track.bit_rate = 96_000
            tracks.append((track, frames))
        for track, frames in tracks:
            for frame in (*frames, None):
                container.mux(track.encode(frame))
    return path


def without_first_frame(data: bytes, path) -> bytes:
    """An MP3 without the frame that holds its length (Xing)."""
    path.write_bytes(data)
    with av.open(str(path)) as container:
        return data[next(container.demux(container.streams.audio[0])).pos :]


def joined(path: Path, *seconds: float) -> Path:
    """Write files of one format one after the other, as `cat` does."""
    path.write_bytes(b"".join(encoded(path, voiced(length, RATE, 140.0 + 80 * n)) for n, length in enumerate(seconds)))
    return path
