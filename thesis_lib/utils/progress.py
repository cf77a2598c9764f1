"""Progress of long work: the library is silent, the command line draws a bar."""

from collections.abc import Callable, Iterable

# progress(items, total, label) wraps an iterable; the command line draws a bar, the library is silent.
Progress = Callable[[Iterable, int, str], Iterable]


def silent(items: Iterable, total: int, label: str) -> Iterable:
    """The Progress that draws nothing."""
    return items


def bar(items: Iterable, total: int, label: str) -> Iterable:
    """The Progress that draws a bar, on stderr."""
    from tqdm.auto import tqdm

    return tqdm(items, total=total, desc=label, mininterval=0.5)


def note(shown: Iterable, text: str) -> None:
    """Put a few words beside the bar that a Progress drew; nothing where it drew none."""
    if hasattr(shown, "set_postfix_str"):
        shown.set_postfix_str(text, refresh=False)
