"""Wall-clock time of a training: all its sessions together."""

import time


class SessionClock:
    """Seconds of the earlier sessions and of this one, which begins when the clock is made.

    A session holds everything between its start and its end: reading the data, steps, validation and saving.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._earlier = 0.0

    def resume(self, seconds: float) -> None:
        """Add the seconds of the earlier sessions, as the last checkpoint has them."""
        self._earlier = seconds

    @property
    def seconds(self) -> float:
        """Seconds so far, all sessions together."""
        return self._earlier + time.monotonic() - self._started
