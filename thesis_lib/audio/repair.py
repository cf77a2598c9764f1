"""Repair a recording that was made with a wrong connection or at a wrong level, and say so.

Channels that cancel each other when they are averaged (one is connected the wrong way round), a constant offset,
floating-point samples above full scale, isolated samples far above it. Any other recording is not changed by a bit.
Channels may cancel each other in the whole recording, or in parts of it.

Shapes: n samples, C channels, S slices.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

# Of the power that is left of C uncorrelated channels in their average: 1 / C of the channels' mean power.
MAX_CANCELLED_POWER = 0.2
SLICE, MIN_SLICE = 8192, 1024  # samples: parts in which channels may cancel each other, and the shortest of them
MIN_POWER = 1e-6  # of the channels in such a part; a quieter one, below -60 dBFS, counts as silence
HELD_S = 2.0  # of a stream, at most, that seems to need a repair
MIN_JUDGED_S = 0.1  # of a stream
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
    cancelled: tuple[tuple[int, int], ...] = ()  # parts (first sample, end) in which ``loudest`` is used alone
    loudest: int = 0

    def __call__(self, frames: np.ndarray, place: int = 0) -> np.ndarray:
        """(n, C) -> (n,) float32; ``place``: samples of the recording before these."""
        wav = _mono(frames) if self.channel is None else frames[:, self.channel]
        for first, end in self.cancelled if self.channel is None else ():
            part = slice(max(0, first - place), max(0, end - place))
            wav[part] = frames[part, self.loudest]
        if self.offset or self.scale != 1.0:
            wav = ((wav - self.offset) * self.scale).astype(np.float32)
        return wav if self.limit is None else wav.clip(-self.limit, self.limit)

    def blocks(self, blocks: Iterable[np.ndarray], place: int = 0) -> Iterator[np.ndarray]:
        """Repair the blocks (n, C) of a recording from the sample ``place`` on."""
        for block in blocks:
            yield self(block, place)
            place += len(block)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, in words."""
        found = []
        if self.channel is not None:
            found.append(f"the channels cancel each other (inverted phase), channel {self.channel + 1} is used alone")
        elif self.cancelled:
            where = f"in a part of the recording; there channel {self.loudest + 1} is used alone"
            found.append(f"the channels cancel each other (inverted phase) {where}")
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
        self._cancelled: list[tuple[int, int]] = []  # parts in which the channels cancel each other
        self._cancelled_power = np.zeros(0)  # (C,), of each channel in them
        self._waiting: list[np.ndarray] = []  # blocks that are too short to be judged

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
        if frames.shape[1] > 1:
            self._waiting.append(signals)
            if (waiting := sum(map(len, self._waiting))) >= MIN_SLICE:
                self._find_cancelled(np.concatenate(self._waiting), self.count + len(signals) - waiting)
                self._waiting.clear()
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

    def _find_cancelled(self, signals: np.ndarray, place: int) -> None:
        """Add the slices of (n, 1 + C) samples, the average first, in which the average has almost no power.

        ``place``: samples of the recording before these.
        """
        starts = np.arange(0, len(signals), SLICE)
        sizes = np.diff(starts, append=len(signals))
        with np.errstate(invalid="ignore"):
            sums = np.add.reduceat(np.square(signals), starts, dtype=np.float64)  # (S, 1 + C)
            means = np.add.reduceat(signals, starts, dtype=np.float64) / sizes[:, None]
            powers = sums / sizes[:, None] - means**2
            mean = powers[:, 1:].mean(axis=1)
            is_cancelled = powers[:, 0] < MAX_CANCELLED_POWER / (signals.shape[1] - 1) * mean
        for number in np.flatnonzero(is_cancelled & (mean > MIN_POWER) & (sizes >= MIN_SLICE)):
            # The channels may have begun to cancel each other within the slice before, and go on in the next one.
            first = place + int(starts[number]) - SLICE
            end = first + 2 * SLICE + int(sizes[number])
            if self._cancelled and first <= self._cancelled[-1][1]:
                first = self._cancelled.pop()[0]
            self._cancelled.append((max(0, first), end))
            power = powers[number, 1:] * sizes[number]
            self._cancelled_power = self._cancelled_power + power if len(self._cancelled_power) else power

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
        repair = Repair(channel, offset)
        if self._cancelled:
            repair = replace(repair, cancelled=tuple(self._cancelled), loudest=int(self._cancelled_power.argmax()))
        if not is_float:
            return repair
        peak = float(max(self._high[used] - offset, offset - self._low[used]))
        if peak > 1 and self._exceeding[used] > MAX_CLIPPED_SHARE * self.count:
            limit = SCALED_PEAK if self._peaks[used] > 1.1 * peak else None
            return replace(repair, scale=SCALED_PEAK / peak, limit=limit)
        return replace(repair, limit=1.0 if self._peaks[used] > MAX_DECODED_PEAK else None)


def repaired(wav: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Repair samples (N,) in memory; return them with notes. Anything but floating-point samples is returned."""
    if wav.ndim != 1 or wav.dtype.kind != "f" or not len(wav):
        return wav, ()
    statistics = SampleStatistics()
    frames = statistics.add(wav[:, None])
    repair = statistics.repair(is_float=True)
    return (repair(frames), repair.notes) if repair != Repair() else (wav, ())


def repaired_stream(
    blocks: Iterable[np.ndarray], rate: int, is_float: bool, note: Callable[[str], None]
) -> Iterator[np.ndarray]:
    """Repair blocks (n, C) of a stream as they arrive, at ``rate`` Hz, and note what is done.

    A stream that seems to need a repair is held back for ``HELD_S``, after which the repair is kept; any other stream
    is not delayed. Parts in which channels cancel each other are found block by block.
    """
    statistics, settled, held, place, said = SampleStatistics(), Repair(), list[np.ndarray](), 0, set[str]()

    def released() -> Iterator[np.ndarray]:
        nonlocal place
        now = replace(settled, cancelled=found.cancelled, loudest=found.loudest) if settled.channel is None else settled
        for text in dict.fromkeys(now.notes):
            if text not in said:
                note(text)
            said.add(text)
        yield from now.blocks(held, place)
        place += sum(map(len, held))
        held.clear()

    for block in blocks:
        held.append(statistics.add(block))
        found = statistics.repair(is_float)
        needed = replace(found, cancelled=(), loudest=0)
        if settled == Repair() and needed != Repair():
            if sum(map(len, held)) < HELD_S * rate:
                continue
            settled = needed
        yield from released()
    if held:
        settled = needed if statistics.count >= MIN_JUDGED_S * rate else Repair()
        yield from released()


def _mono(frames: np.ndarray) -> np.ndarray:
    return frames.mean(axis=1) if frames.shape[1] > 1 else frames[:, 0]
