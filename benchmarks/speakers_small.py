"""The strong speaker test of the small released weights, with the targets and contents of ``speakers``.

The trivial system "mean speaker" is rendered by the small weights; the other trivial systems are the same.
"""

from benchmarks.speakers import OPTIONS, of_weights
from thesis_lib.vocoder.sources import SMALL

__all__ = ["OPTIONS", "run"]

SYSTEM = "small weights"


def run(quick: bool, targets: int, contents: int) -> dict:
    """As ``speakers``."""
    return of_weights(SMALL, SYSTEM, quick, targets, contents)
