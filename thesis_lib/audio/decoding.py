"""Decode an audio or video file of any format to its end, by libsndfile or by FFmpeg's libraries (PyAV).

The number of samples in a header may be wrong: an MP3 without an Xing header, joined MP3s and chained Ogg files hold
more or fewer. libsndfile stops at that number. It decodes a file only where the packets of the file add up to the same
number; FFmpeg decodes every other file. Whether a file is truncated is told by its last packet, or by
``audio.truncation``.

Shapes: n samples, C channels.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import soundfile
import soxr

from thesis_lib.audio.containers import check_file, frame_samples, open_container, packets_of, undecodable
from thesis_lib.audio.errors import AudioError
from thesis_lib.audio.frames import FRAME_BYTES
from thesis_lib.audio.gaps import Gaps
from thesis_lib.audio.tracks import audio_track, track_note
from thesis_lib.audio.trailing import UNREAD, is_joined, unread_bytes
from thesis_lib.audio.truncation import is_shorter_than_declared, mp4_is_cut, ogg_is_cut

if TYPE_CHECKING:
    import av

# Containers of audio and video; libsndfile reads the first row, FFmpeg all.
READ_SUFFIXES = (
    ".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64",
    ".m4a", ".m4b", ".aac", ".mp4", ".m4v", ".mov", ".mkv", ".mka", ".webm", ".wma", ".wmv", ".avi", ".3gp", ".amr",
    ".mp2", ".mpg", ".mpeg", ".ts", ".flv", ".mts", ".m2ts", ".vob", ".asf", ".3g2", ".f4v", ".mxf", ".ogv", ".ogx",
    ".spx", ".weba", ".rf64", ".ac3", ".wv", ".ape", ".tta", ".3ga", ".wave", ".bwf", ".snd", ".m4r", ".mpga", ".qt",
    ".eac3", ".rm", ".divx", ".m2t", ".mk3d", ".ogm", ".voc", ".sph", ".adts", ".3gpp", ".3gpp2", ".awb", ".qta",
)  # fmt: skip
GUESSED_FORMATS = ("MP3", "OGG", "FLAC")  # of libsndfile: their headers may hold no number of samples, or a wrong one
MAX_PADDING = 4096  # samples that an encoder adds to the first and the last packet, and a decoder removes
CONCEALING_CODECS = ("mp2", "mp3", "ac3", "eac3")  # of FFmpeg: their decoders conceal an incomplete frame
MAX_BROKEN_SHARE = 0.1  # of the packets, that may be undecodable in a file that is used


@dataclass(frozen=True)
class StoredAudio:
    """What a file holds, by its packets."""

    rate: int  # Hz
    samples: int | None  # None: known only after decoding
    is_cut: bool  # its last packet is broken
    by_libsndfile: bool
    is_float: bool  # uncompressed floating-point samples, which may exceed 1
    notes: tuple[str, ...] = ()  # which of several audio tracks is read, and what is not read


def inspect_file(path: Path) -> StoredAudio:
    """Find out how a file is to be decoded.

    Raises AudioError: missing, a folder, empty, undecodable, no audio, several files joined to one.
    """
    check_file(path)
    if is_joined(path):
        remedy = "a decoder reads the first alone: give each as a file of its own, or join them with FFmpeg"
        raise AudioError("several files joined to one", path, remedy)
    stored = _inspected(path)
    count = unread_bytes(path)
    return replace(stored, notes=(*stored.notes, UNREAD.format(count))) if count else stored


def _inspected(path: Path) -> StoredAudio:
    try:
        info = soundfile.info(os.fsencode(path))
    except (soundfile.LibsndfileError, RuntimeError):
        return _by_ffmpeg(path)
    is_float = info.subtype in ("FLOAT", "DOUBLE")
    if info.format not in GUESSED_FORMATS and info.frames:
        return StoredAudio(info.samplerate, info.frames, is_shorter_than_declared(path), True, is_float)
    if ogg_is_cut(path):  # FFmpeg may not open a short one
        return StoredAudio(info.samplerate, info.frames, True, True, is_float)
    samples, is_cut = _counted(path, info.samplerate)
    agree = samples is not None and abs(samples - info.frames) <= MAX_PADDING
    return StoredAudio(info.samplerate, info.frames if agree else None, is_cut, agree, is_float)


def decoded(path: Path, stored: StoredAudio, seconds: float, gaps: Gaps | None = None) -> Iterator[np.ndarray]:
    """Decode a file in blocks (n, C) float32 of ``seconds``, the last one shorter; its samples are not changed.

    Gaps in the track are filled with silence, and counted in ``gaps``. Raises AudioError: undecodable, truncated (after
    the last block), zero length.
    """
    size, count = max(1, int(seconds * stored.rate)), 0
    gaps = gaps or Gaps()
    by_ffmpeg = at_one_rate(gaps.filled(_ffmpeg_frames(path, gaps)), stored.rate)
    for block in _libsndfile_blocks(path, size) if stored.by_libsndfile else joined_blocks(by_ffmpeg, size):
        count += len(block)
        yield block
    if stored.is_cut or count < (stored.samples or 0) - MAX_PADDING:
        raise AudioError("truncated", path, "the last part of the file is damaged or missing: fetch it again")
    if not count:
        raise AudioError("zero length", path, "the file holds no samples")


def _libsndfile_blocks(path: Path, size: int) -> Iterator[np.ndarray]:
    try:
        with soundfile.SoundFile(os.fsencode(path)) as stream:
            while len(block := stream.read(size, dtype="float32", always_2d=True)):
                yield block
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise undecodable(path, error) from error


def joined_blocks(packets: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Join decoded packets (n, C) to blocks (``size``, C), the last one shorter, as soon as each is complete."""
    waiting: list[np.ndarray] = []
    for frames in packets:
        if waiting and frames.shape[1] != waiting[0].shape[1]:  # of a later stream in the same file
            frames = np.repeat(frames.mean(axis=1, keepdims=True), waiting[0].shape[1], axis=1)
        waiting.append(frames)
        if sum(map(len, waiting)) >= size:
            joined = np.concatenate(waiting)
            yield from (joined[i : i + size] for i in range(0, len(joined) - size + 1, size))
            waiting = [joined[len(joined) // size * size :]]
    if waiting and len(rest := np.concatenate(waiting)):
        yield rest


def _ffmpeg_frames(path: Path, gaps: Gaps) -> Iterator[tuple[np.ndarray, int, float | None]]:
    with open_container(path) as container:
        yield from decoded_frames(_packets(container, path), gaps)
    if gaps.damaged > MAX_BROKEN_SHARE * gaps.packets:
        reason = f"{gaps.damaged} of {gaps.packets} packets are damaged"
        raise AudioError("undecodable", path, f"{reason}: fetch or record it again")


def decoded_frames(packets: Iterable["av.Packet"], gaps: Gaps) -> Iterator[tuple[np.ndarray, int, float | None]]:
    """Samples (n, C), their rate and their time in s, of each packet; ``gaps`` counts those that cannot be decoded."""
    import av

    for packet in packets:
        if packet.size:
            gaps.packets, gaps.last_is_damaged = gaps.packets + 1, False
        try:
            for frame in cast("list[av.AudioFrame]", packet.decode()):
                yield frame_samples(frame), frame.sample_rate, frame.time
        except (av.error.FFmpegError, ValueError):
            gaps.damaged, gaps.last_is_damaged = gaps.damaged + 1, True
            gaps.damaged_bytes += packet.size


def at_one_rate(frames: Iterator[tuple[np.ndarray, int]], rate: int) -> Iterator[np.ndarray]:
    """Resample the parts of a joined file that have another rate; blocks keep their number of channels."""
    for (own, channels), part in groupby(frames, lambda frame: (frame[1], frame[0].shape[1])):
        if own == rate:
            yield from (wav for wav, _ in part)
            continue
        resampler = soxr.ResampleStream(own, rate, channels)
        for wav, _ in part:
            yield resampler.resample_chunk(np.ascontiguousarray(wav))
        yield resampler.resample_chunk(np.zeros((0, channels), np.float32), last=True)


def _counted(path: Path, rate: int) -> tuple[int | None, bool]:
    """Samples of all packets without decoding them, and whether the last packet is broken.

    None for an MP3 with damaged bytes between two frames, where libsndfile gives up.
    """
    seconds, last, is_whole = Fraction(0), None, True
    with open_container(path) as container:
        for packet in _packets(container, path):
            if packet.size:
                is_whole &= last is None or not _is_damaged_mp3(last)
                seconds += (packet.duration or 0) * packet.time_base
                last = packet
        return round(seconds * rate) if is_whole else None, _is_broken(last) or is_shorter_than_declared(path)


def _is_damaged_mp3(packet: "av.Packet") -> bool:
    """Whether the packet of an MP3 is not one frame."""
    is_mp3 = packet.stream.codec_context.name.startswith("mp3")
    return is_mp3 and FRAME_BYTES["mp3"](bytes(packet)) != packet.size


def _by_ffmpeg(path: Path) -> StoredAudio:
    """Of a file that libsndfile cannot read. Raises AudioError where FFmpeg cannot read it either."""
    try:
        with open_container(path) as container:
            track = audio_track(container, path)
            last = None
            for packet in _packets(container, path):
                last = packet if packet.size else last
            is_float = track.codec_context.name.startswith("pcm_f")
            is_cut, note = _is_broken(last) or is_shorter_than_declared(path), track_note(container, track)
            return StoredAudio(track.rate, None, is_cut, False, is_float, (note,) if note else ())
    except AudioError as error:
        if error.reason == "undecodable" and (ogg_is_cut(path) or mp4_is_cut(path)):
            raise AudioError("truncated", path, "only the beginning of the file is there: fetch it again") from error
        raise


def _packets(container: "av.container.InputContainer", path: Path) -> Iterator["av.Packet"]:
    return packets_of(container, [audio_track(container, path)], path)


def _is_broken(packet: "av.Packet | None") -> bool:
    """Whether a packet ends too early: ``packet_is_cut`` says so, or FFmpeg cannot decode it."""
    import av

    if packet is None:  # a file without samples
        return False
    if (found := packet_is_cut(packet)) is not None:
        return found
    try:
        packet.decode()
    except (av.error.FFmpegError, ValueError):
        return True
    return False


def packet_is_cut(packet: "av.Packet") -> bool | None:
    """Whether FFmpeg marks a packet as incomplete, or its frame is longer; None: its decoder refuses it if so."""
    codec = packet.stream.codec_context
    if codec.name.startswith("pcm_"):  # any number of samples is a whole packet: see audio.truncation
        return False
    if packet.is_corrupt:
        return True
    if (name := codec.name.removesuffix("float")) in CONCEALING_CODECS:
        length = FRAME_BYTES[name](bytes(packet))  # None: padding or a tag
        return length is not None and packet.size < length
    return None
