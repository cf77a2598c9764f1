"""Fill the gaps of an audio track with silence, so that its speech stays in time with the picture.

In a container each frame of samples has a time. A gap is a frame that begins later than the samples before it end, as
after a lost connection or a cut.

Shapes: n samples, C channels.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

MIN_GAP_S = 0.06  # times are rounded, and some decoders return their first frame late
MAX_GAP_S = 3600.0  # a longer one is a clock that was set anew, as in joined files; so is a time before
MAX_OVERLAP_S = 1.0  # of a frame with the samples before it


@dataclass
class Gaps:
    """What one track lacks: the gaps that were found in its times, and the packets that cannot be decoded."""

    count: int = 0
    seconds: float = 0.0
    packets: int = 0
    damaged: int = 0  # of the packets
    damaged_bytes: int = 0
    last_is_damaged: bool = False

    def filled(self, frames: Iterable[tuple[np.ndarray, int, float | None]]) -> Iterator[tuple[np.ndarray, int]]:
        """Frames: samples (n, C), rate in Hz, time in s or None -> samples and rate, with silence in the gaps."""
        end: float | None = None  # s, of the samples so far
        for wav, rate, time in frames:
            gap = 0.0 if time is None or end is None else time - end
            if MIN_GAP_S < gap <= MAX_GAP_S:
                self.count, self.seconds = self.count + 1, self.seconds + gap
                yield from ((silence, rate) for silence in _silence(round(gap * rate), rate, wav.shape[1]))
                end = time
            elif end is None or not -MAX_OVERLAP_S <= gap <= MAX_GAP_S:
                end = time
            yield wav, rate
            end = None if end is None else end + len(wav) / rate

    @property
    def notes(self) -> tuple[str, ...]:
        """What was filled and left out, in words."""
        found = []
        if self.damaged:
            size = f" ({self.damaged_bytes:,} bytes)" if self.damaged_bytes else ""
            found.append(f"{self.damaged} of {self.packets} packets{size} cannot be decoded and are left out")
        if self.count:
            found.append(f"the audio track has {self.count} gap(s), {self.seconds:.1f} s in all, filled with silence")
        return tuple(found)


def _silence(samples: int, size: int, channels: int) -> Iterator[np.ndarray]:
    """``samples`` samples of silence in blocks (n, channels) of at most ``size`` samples."""
    for start in range(0, samples, size):
        yield np.zeros((min(size, samples - start), channels), np.float32)
