"""A recording, and the features that several metrics share; each is computed once, at first use."""

import functools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from thesis_lib.audio.files import SILENCE, resample
from thesis_lib.audio.mel import LogMel
from thesis_lib.audio.pitch import MAX_F0_HZ, MIN_F0_HZ, Pitch, track
from thesis_lib.config import AudioConfig
from thesis_lib.utils.load_librosa import load_librosa
from thesis_lib.validation.metrics.errors import MetricError

WIDEBAND = 16_000  # Hz, what PESQ-wb, DNSMOS and most encoders are defined for
# Of pYIN. Its F0 lies on a grid of 20 cents, which is 5.8 cents RMS of rounding in each signal. A grid of 10 cents,
# librosa's default, takes four times as long: 0.4 s instead of 0.1 for 4 s of speech on one core.
SEMITONE_RESOLUTION, THRESHOLDS = 0.2, 50
AUDIO = AudioConfig()  # the project's one analysis


class _once:
    """A property that is computed once; other threads wait for it instead of computing it side by side.

    functools.cached_property has a lock for all instances together in Python 3.11, and none from 3.12 on.
    """

    def __init__(self, compute: Callable[["Recording"], Any]) -> None:
        self._compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, recording: "Recording | None", owner: type | None = None) -> Any:
        if recording is None:
            return self
        with recording._lock:
            if self._name not in recording.__dict__:
                recording.__dict__[self._name] = self._compute(recording)
        return recording.__dict__[self._name]


class Recording:
    """(N,) samples at the project's rate. MetricError for what is empty, not mono, not finite or of no rate."""

    def __init__(self, wav: np.ndarray, sample_rate: int, audio: AudioConfig = AUDIO) -> None:
        if np.ndim(wav) != 1 or not len(wav):
            raise MetricError(f"a signal is empty or not mono: its shape is {np.shape(wav)}, (N,) is needed")
        if not np.isfinite(wav).all():
            raise MetricError("a signal is not finite")
        if not sample_rate > 0:
            raise MetricError(f"{sample_rate} Hz is no sample rate")
        self.audio = audio
        self._lock = threading.RLock()  # one feature may need another
        self.wav = np.ascontiguousarray(resample(wav, sample_rate, audio.sample_rate), np.float32)

    @property
    def is_silent(self) -> bool:
        """Whether its peak lies below -80 dBFS."""
        return not np.abs(self.wav).max() >= SILENCE

    def audible(self, predictor: str) -> np.ndarray:
        """``wideband`` within -1..1, as predictors of opinion require. MetricError for silence."""
        if self.is_silent:
            raise MetricError(f"the signal is silent: {predictor} rates speech")
        return np.clip(self.wideband, -1, 1)

    @_once
    def wideband(self) -> np.ndarray:
        """(N',) at 16 kHz."""
        return resample(self.wav, self.audio.sample_rate, WIDEBAND)

    @_once
    def mel(self) -> np.ndarray:
        """(M, T) log-mel, in nepers. MetricError for less than one window."""
        if len(self.wav) < self.audio.n_fft:
            raise MetricError(f"{len(self.wav)} samples are less than one window of {self.audio.n_fft}")
        with torch.inference_mode():
            return _log_mel(self.audio)(torch.from_numpy(self.wav)[None])[0].numpy()

    @_once
    def pitch(self) -> Pitch:
        """F0 and voicing on the mel's frames, by the tracker of the content."""
        return track(self.wav, self.audio)

    @_once
    def f0(self) -> np.ndarray:
        """(T'',) F0 in Hz every 10 ms by pYIN (Mauch & Dixon 2014, doi:10.1109/ICASSP.2014.6853678), 0 where unvoiced.

        In steps of ``SEMITONE_RESOLUTION``. The evaluation's tracker: unlike that of ``pitch``, it has no part in a
        vocoder.
        """
        f0, _, _ = load_librosa().pyin(
            self.wideband,
            fmin=MIN_F0_HZ,
            fmax=MAX_F0_HZ,
            sr=WIDEBAND,
            frame_length=WIDEBAND * 64 // 1000,
            hop_length=WIDEBAND // 100,
            resolution=SEMITONE_RESOLUTION,
            n_thresholds=THRESHOLDS,
        )
        return np.nan_to_num(f0)

    @_once
    def cepstra(self) -> np.ndarray:
        """(T', 14) mel cepstra of WORLD's envelope, every 5 ms, as pymcd has them.

        Without WORLD's aperiodicity, which takes most of the package's time and is not used.
        """
        import pysptk
        import pyworld

        rate = pymcd().SAMPLING_RATE
        wav = resample(self.wav, self.audio.sample_rate, rate).astype(np.float64)
        f0, times = pyworld.dio(wav, rate, frame_period=pymcd().FRAME_PERIOD)
        envelope = pyworld.cheaptrick(wav, pyworld.stonemask(wav, f0, times, rate), times, rate, fft_size=512)
        settings = {"maxiter": 0, "etype": 1, "eps": 1e-8, "min_det": 0.0, "itype": 3}
        return pysptk.sptk.mcep(envelope, order=13, alpha=0.65, **settings)


@functools.cache
def _log_mel(audio: AudioConfig) -> LogMel:
    return LogMel(audio)


@functools.cache
def pymcd():
    """pymcd's calculator in one of its modes; its functions are called one by one."""
    from pymcd.mcd import Calculate_MCD

    return Calculate_MCD(MCD_mode="plain")
