"""Repair a recording that was made with a wrong connection or at a wrong level, and say so.

Channels that cancel each other when they are averaged (one is connected the wrong way round), a constant offset,
floating-point samples above full scale, isolated samples far above it. Any other recording is not changed by a bit.

Shapes: n samples, C channels.
"""

from dataclasses import dataclass

import numpy as np

# Of the power that is left of C uncorrelated channels in their average: 1 / C of the channels' mean power.
MAX_CANCELLED_POWER = 0.2
MAX_OFFSET = 0.05  # of full scale; some utterances of LibriSpeech have 0.04, and stay as they are
FULL_SCALE = 0.999  # from which a sample counts as clipped
MAX_CLIPPED_SHARE = 0.01  # of the samples at full scale; above it, a recording counts as clipped or is scaled
SCALED_PEAK = 0.95  # of floating-point samples that have exceeded full scale
MAX_DECODED_PEAK = 2.0  # of the decoders of lossy audio, which exceed full scale now and then
MAX_PEAK_RATIO = 10.0  # of the peak to the quantile 1 - MAX_CLIPPED_SHARE of the absolute samples; speech has about 2


@dataclass(frozen=True)
class Repair:
    """What is done to the samples of a recording; by default nothing."""

    channel: int | None = None  # the only one that is used; None: their average
    offset: float = 0.0  # subtracted
    scale: float = 1.0  # multiplied
    limit: float | None = None  # of isolated peaks, which are clipped to it

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """(n, C) -> (n,) float32."""
        wav = _mono(frames) if self.channel is None else frames[:, self.channel]
        if self.offset or self.scale != 1.0:
            wav = ((wav - self.offset) * self.scale).astype(np.float32)
        return wav if self.limit is None else wav.clip(-self.limit, self.limit)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, in words."""
        found = []
        if self.channel is not None:
            found.append(f"the channels cancel each other (inverted phase), channel {self.channel + 1} is used alone")
        if self.offset:
            found.append(f"the samples have an offset of {self.offset:+.2f}, which was subtracted")
        if self.scale != 1.0:
            found.append(f"floating-point samples exceed full scale, scaled by {20 * np.log10(self.scale):.1f} dB")
        if self.limit is not None:
            found.append("isolated samples exceed full scale by far, clipped")
        return tuple(found)


class SampleStatistics:
    """Sums over the blocks (n, C) of one recording, from which ``repair`` finds its faults.

    Isolated peaks are left out, so that one wrong sample determines neither level nor offset.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sum = self._squares = self._exceeding = np.zeros(0)
        self._low = self._high = self._peaks = np.zeros(0)  # the last: with the isolated ones

    def add(self, frames: np.ndarray) -> np.ndarray:
        """Count a block; return it."""
        signals = frames if frames.shape[1] == 1 else np.column_stack([_mono(frames), frames])
        exceeding = peaks = np.zeros(signals.shape[1])
        if 1 < np.abs(signals).max(initial=0) < np.inf:
            middle = np.median(signals, axis=0)
            sizes = np.abs(signals - middle)
            peaks, exceeding = sizes.max(0), (sizes >= FULL_SCALE).sum(0)
            limit = np.maximum(1, MAX_PEAK_RATIO * np.quantile(sizes, 1 - MAX_CLIPPED_SHARE, axis=0))
            signals = np.where(sizes > limit, middle, signals)
        sums = [signals.sum(0, dtype=np.float64), np.square(signals).sum(0, dtype=np.float64)]
        low, high = signals.min(0, initial=0), signals.max(0, initial=0)
        if not self.count:
            self._sum, self._squares = sums
            self._low, self._high, self._peaks, self._exceeding = low, high, peaks, exceeding
        else:
            self._sum, self._squares = self._sum + sums[0], self._squares + sums[1]
            self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
            self._peaks, self._exceeding = np.maximum(self._peaks, peaks), self._exceeding + exceeding
        self.count += len(frames)
        return frames

    def repair(self, is_float: bool) -> Repair:
        """What the recording needs; ``is_float``: its samples may exceed full scale without being clipped."""
        if not self.count or not np.isfinite(self._squares).all():
            return Repair()
        means = self._sum / self.count
        powers = self._squares / self.count - means**2
        used, channel = 0, None
        channels = len(means) - 1
        if channels and powers[0] < MAX_CANCELLED_POWER / channels * powers[1:].mean():
            channel = int(powers[1:].argmax())
            used = channel + 1
        offset = float(means[used]) if abs(means[used]) > MAX_OFFSET else 0.0
        if not is_float:
            return Repair(channel, offset)
        peak = float(max(self._high[used] - offset, offset - self._low[used]))
        if peak > 1 and self._exceeding[used] > MAX_CLIPPED_SHARE * self.count:
            return Repair(channel, offset, SCALED_PEAK / peak, SCALED_PEAK if self._peaks[used] > 1.1 * peak else None)
        return Repair(channel, offset, 1.0, 1.0 if self._peaks[used] > MAX_DECODED_PEAK else None)


def repaired(wav: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Repair samples (N,) in memory; return them with notes. Anything but floating-point samples is returned."""
    if wav.ndim != 1 or wav.dtype.kind != "f" or not len(wav):
        return wav, ()
    statistics = SampleStatistics()
    frames = statistics.add(wav[:, None])
    repair = statistics.repair(is_float=True)
    return (repair(frames), repair.notes) if repair != Repair() else (wav, ())


def _mono(frames: np.ndarray) -> np.ndarray:
    return frames.mean(axis=1) if frames.shape[1] > 1 else frames[:, 0]
