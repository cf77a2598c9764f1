"""Audio in and out, and the project's one log-mel spectrogram.

Shapes: B batch, N samples, M mel bands, T frames; N = T * hop_length.
Samples are float32 in [-1, 1]; files are 16-bit unless their format is a compressed one.
"""

from pathlib import Path

import librosa
import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib.config import AudioConfig
from thesis_lib.errors import ThesisError
from thesis_lib.files import replacing

SILENCE = 1e-4  # peak below which a recording holds no speech (-80 dBFS)
CLIPPED_SHARE = 0.01  # of the samples at full scale, above which a recording is called clipped
SHORTEST, LONGEST = 0.1, 4 * 3600.0  # s


class AudioError(ThesisError):
    """A recording that cannot be used. ``reason`` is a short key for reject tables."""

    def __init__(self, reason: str, path: object, remedy: str) -> None:
        self.reason = reason
        super().__init__(f"{path}: {reason}; {remedy}")


def read_audio(path: str | Path, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """Mono float32 samples (N,) and their rate; resampled when ``sample_rate`` (Hz) is given.

    Any format, rate and channel count that libsndfile reads. Channels are averaged.
    Raises AudioError: missing file, folder, zero length, undecodable, truncated.
    """
    path = Path(path)
    if path.is_dir():
        raise AudioError("is a folder", path, "name one audio file")
    if not path.exists():
        raise AudioError("missing file", path, "check the path")
    if path.stat().st_size == 0:
        raise AudioError("zero length", path, "the file is empty: fetch or record it again")
    try:
        with soundfile.SoundFile(path) as stream:
            declared, rate = stream.frames, stream.samplerate
            if declared > LONGEST * rate:
                # Also a header that lies: the memory would be asked for before the first sample is read.
                raise AudioError("too long", path, f"it declares {declared / rate / 3600:.0f} hours: cut it")
            wav = stream.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(
            "undecodable", path, f"not WAV, FLAC, MP3 or OGG audio, or damaged ({_short(error)})"
        ) from error
    if len(wav) < declared or _riff_is_cut(path):
        raise AudioError("truncated", path, "the file ends before its header says: fetch it again")
    if len(wav) == 0:
        raise AudioError("zero length", path, "the file holds no samples")
    mono = wav.mean(axis=1)
    if sample_rate is not None:
        mono, rate = resample(mono, rate, sample_rate), sample_rate
    return mono, rate


def _short(error: Exception) -> str:
    return str(error).rstrip(".").split(": ")[-1]


def _riff_is_cut(path: Path) -> bool:
    """libsndfile mends a WAV whose data end too early without a word; its RIFF size tells."""
    with open(path, "rb") as stream:
        head = stream.read(8)
    declared = int.from_bytes(head[4:8], "little")
    # 0 and 0xFFFFFFFF are what streaming writers leave there.
    return head[:4] == b"RIFF" and 0 < declared < 0xFFFFFFFF and declared + 8 > path.stat().st_size + 1


def as_samples(wav: np.ndarray, path: object) -> np.ndarray:
    """(N,) float32 of whatever holds mono samples; integers are scaled so that their full scale is 1.

    Raises AudioError for several channels and for what holds no numbers.
    """
    wav = np.asarray(wav)
    if wav.dtype.kind not in "fiu":
        raise AudioError("not audio", path, f"an array of numbers is needed, not of {wav.dtype}")
    if wav.ndim != 1:
        raise AudioError("not mono", path, f"the shape is {wav.shape}, (N,) is needed: average the channels")
    full_scale = np.iinfo(wav.dtype).max if wav.dtype.kind in "iu" else 1
    return np.ascontiguousarray(wav / full_scale, np.float32)


def check_audible(wav: np.ndarray, sample_rate: int, path: object) -> None:
    """Raise AudioError where there is nothing to hear: no rate, NaN, too short, silent."""
    if not sample_rate > 0:
        raise AudioError("no sample rate", path, f"{sample_rate} Hz is none")
    if not np.isfinite(wav).all():
        raise AudioError("not finite", path, "the samples hold NaN or infinity: export it again")
    if len(wav) < SHORTEST * sample_rate:
        raise AudioError("too short", path, f"at least {SHORTEST} s of speech is needed")
    if np.abs(wav).max() < SILENCE:
        raise AudioError("silence", path, "no sample is louder than -80 dBFS: check the microphone")


def check_speech(wav: np.ndarray, sample_rate: int, path: object) -> None:
    """Raise AudioError for what no model should be given: what ``check_audible`` refuses, and clipping."""
    check_audible(wav, sample_rate, path)
    if np.mean(np.abs(wav) >= 0.999) > CLIPPED_SHARE:
        raise AudioError("clipping", path, "over 1 % of the samples are at full scale: record at a lower level")


def resample(wav: np.ndarray, source: int, target: int) -> np.ndarray:
    """(N,) at ``source`` Hz -> (N * target / source,) float32, soxr very high quality; equal rates change nothing."""
    if source == target:
        return np.asarray(wav, np.float32)
    return soxr.resample(wav, source, target, quality="VHQ").astype(np.float32)


def write_audio(path: str | Path, wav: np.ndarray, sample_rate: int, **options: object) -> None:
    """Write atomically; the format follows the suffix (.wav is 16-bit). Clips at full scale."""
    path = Path(path)
    formats = {".opus": {"format": "OGG", "subtype": "OPUS"}, ".wav": {"subtype": "PCM_16"}}
    # 32767 / 32768: libsndfile scales by 32768, so that +1.0 would wrap or clip audibly.
    samples = np.clip(np.asarray(wav, np.float32), -1, 32767 / 32768)
    with replacing(path) as partial:
        soundfile.write(partial, samples, sample_rate, **(formats.get(path.suffix, {}) | options))


class LogMel(nn.Module):
    """Log-mel spectrogram of HiFi-GAN (official ``meldataset.py``): Slaney filters, natural log.

    Magnitude sqrt(|X|^2 + 1e-9), floor 1e-5, Hann window, reflect padding of (n_fft - hop) / 2 on
    each side and no centring, so that N = T * hop_length samples give exactly T frames.
    """

    FLOOR = 1e-5

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        self.config = config
        filters = librosa.filters.mel(
            sr=config.sample_rate, n_fft=config.n_fft, n_mels=config.n_mels, fmin=config.fmin, fmax=config.fmax
        )
        self.register_buffer("filters", torch.from_numpy(filters), persistent=False)
        self.register_buffer("window", torch.hann_window(config.win_length), persistent=False)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) -> (B, M, T) with T = N // hop_length; differentiable."""
        config = self.config
        pad = (config.n_fft - config.hop_length) // 2
        padded = F.pad(wav.unsqueeze(1), (pad, pad), mode="reflect").squeeze(1)
        spectrum = torch.stft(
            padded, config.n_fft, config.hop_length, config.win_length, self.window, center=False, return_complex=True
        )
        magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
        return torch.log(torch.clamp(self.filters @ magnitude, min=self.FLOOR))


def whole_frames(wav: np.ndarray, hop_length: int) -> np.ndarray:
    """Zero-pad (N,) at the end to a whole number of hops, so that N = T * hop_length."""
    return np.pad(wav, (0, -len(wav) % hop_length))
