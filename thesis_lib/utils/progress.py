"""Progress bars: the library draws none, the command line does."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

# progress(items, total, label) returns an iterable of the same items.
Progress = Callable[[Iterable, int, str], Iterable]


def silent(items: Iterable, total: int, label: str) -> Iterable:
    """The Progress that draws nothing."""
    return items


def bar(items: Iterable, total: int, label: str) -> Iterable:
    """The Progress that draws a bar, on stderr."""
    from tqdm.auto import tqdm

    return tqdm(items, total=total, desc=label, mininterval=0.5)


def by_seconds(
    items: Iterable[T], length: float, progress: Progress, label: str, end_of: Callable[[T], float]
) -> Iterator[T]:
    """Yield the items; ``progress`` counts the seconds of a recording of ``length`` s that they cover.

    ``end_of`` gives the end of an item in s.
    """

    def ticks() -> Iterator[T | None]:
        shown = 0
        for item in items:
            yield item
            until = min(round(end_of(item)), round(length))
            yield from [None] * (until - shown - 1)
            shown = max(shown, until)

    return (tick for tick in progress(ticks(), round(length), label) if tick is not None)


def note(shown: Iterable, text: str) -> None:
    """Show a text beside the bar of a Progress; do nothing where it has no bar."""
    if hasattr(shown, "set_postfix_str"):
        shown.set_postfix_str(text, refresh=False)
