"""Mend a recording that was made with a wrong connection or at a wrong level, and say so.

Three faults: channels that cancel each other when they are averaged (one is connected the wrong way round), a constant
offset, and floating-point samples above full scale. A recording without them is not changed by a bit.

Shapes: n samples, C channels.
"""

from dataclasses import dataclass

import numpy as np

MAX_CANCELLED_POWER = 0.1  # of the channels' mean power that is left in their average; uncorrelated channels leave 0.5
MAX_OFFSET = 0.05  # of full scale; some utterances of LibriSpeech have 0.04, and stay as they are
FULL_SCALE = 0.999  # from which a sample counts as clipped
SCALED_PEAK = 0.95  # of floating-point samples that have exceeded full scale


@dataclass(frozen=True)
class Mend:
    """What is done to the samples of a recording; by default nothing."""

    channel: int | None = None  # the only one that is used; None: their average
    offset: float = 0.0  # subtracted
    scale: float = 1.0  # multiplied

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """(n, C) -> (n,) float32."""
        wav = _mono(frames) if self.channel is None else frames[:, self.channel]
        if self.offset or self.scale != 1.0:
            wav = ((wav - self.offset) * self.scale).astype(np.float32)
        return wav

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
        return tuple(found)


class Measure:
    """Sums over the blocks (n, C) of one recording, from which ``mend`` finds its faults."""

    def __init__(self) -> None:
        self.count = 0
        self._sum = self._squares = np.zeros(0)
        self._low = self._high = np.zeros(0)

    def add(self, frames: np.ndarray) -> np.ndarray:
        """Count a block; return it."""
        signals = frames if frames.shape[1] == 1 else np.column_stack([_mono(frames), frames])
        sums = [signals.sum(0, dtype=np.float64), np.square(signals).sum(0, dtype=np.float64)]
        low, high = signals.min(0, initial=0), signals.max(0, initial=0)
        if not self.count:
            self._sum, self._squares, self._low, self._high = *sums, low, high
        else:
            self._sum, self._squares = self._sum + sums[0], self._squares + sums[1]
            self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        self.count += len(frames)
        return frames

    def mend(self, is_float: bool) -> Mend:
        """What the recording needs; ``is_float``: its samples may exceed full scale without being clipped."""
        if not self.count or not np.isfinite(self._squares).all():
            return Mend()
        means = self._sum / self.count
        powers = self._squares / self.count - means**2
        used, channel = 0, None
        if len(means) > 1 and powers[0] < MAX_CANCELLED_POWER * powers[1:].mean():
            channel = int(powers[1:].argmax())
            used = channel + 1
        offset = float(means[used]) if abs(means[used]) > MAX_OFFSET else 0.0
        peak = float(max(self._high[used] - offset, offset - self._low[used]))
        scale = SCALED_PEAK / peak if is_float and peak > 1 else 1.0
        return Mend(channel, offset, scale)


def mended(wav: np.ndarray, max_clipped: float) -> tuple[np.ndarray, tuple[str, ...]]:
    """Mend samples (N,) that lie in memory; return them with notes. Anything but floating-point samples is returned.

    Decoded lossy audio exceeds full scale now and then: only where more than the share ``max_clipped`` of the samples
    does, they are scaled.
    """
    if wav.ndim != 1 or wav.dtype.kind != "f" or not len(wav):
        return wav, ()
    measure = Measure()
    frames = measure.add(wav[:, None])
    mend = measure.mend(is_float=bool(np.mean(np.abs(wav) >= FULL_SCALE) > max_clipped))
    return (mend(frames), mend.notes) if mend != Mend() else (wav, ())


def _mono(frames: np.ndarray) -> np.ndarray:
    return frames.mean(axis=1) if frames.shape[1] > 1 else frames[:, 0]
