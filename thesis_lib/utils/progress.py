"""Progress bars: the library draws none, the command line does."""

from collections.abc import Callable, Iterable

# progress(items, total, label) returns an iterable of the same items.
Progress = Callable[[Iterable, int, str], Iterable]


def silent(items: Iterable, total: int, label: str) -> Iterable:
    """The Progress that draws nothing."""
    return items


def bar(items: Iterable, total: int, label: str) -> Iterable:
    """The Progress that draws a bar, on stderr."""
    from tqdm.auto import tqdm

    return tqdm(items, total=total, desc=label, mininterval=0.5)


def note(shown: Iterable, text: str) -> None:
    """Show a text beside the bar of a Progress; do nothing where it has no bar."""
    if hasattr(shown, "set_postfix_str"):
        shown.set_postfix_str(text, refresh=False)
