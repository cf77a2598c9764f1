"""The strong speaker test of the small released weights: same targets, contents and trivial systems as ``speakers``."""

from benchmarks.speakers import OPTIONS, test_of
from thesis_lib.vocoder.sources import SMALL

__all__ = ["OPTIONS", "run"]

SYSTEM = "small weights"


def run(quick: bool, targets: int, contents: int) -> dict:
    """As ``speakers``."""
    return test_of(SMALL, SYSTEM, quick, targets, contents)
