"""Map a function over many items: on one thread per core, or on the workers of a Dask cluster."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.plugins import import_plugins, imported_plugins
from thesis_lib.utils.threads import available_cores, set_torch_threads, torch_threads

T = TypeVar("T")
R = TypeVar("R")
SCHEDULER_TIMEOUT = "20s"  # for the answer of a Dask scheduler


def a_core_each(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield the results in the order of the items, each computed by one thread. Raises what ``function`` raises.

    Small networks do not use several cores for one recording, so that recordings are computed side by side.
    """
    with ThreadPoolExecutor(available_cores(), initializer=set_torch_threads, initargs=(1,)) as pool:
        try:
            yield from pool.map(function, items)
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, do not wait for the other items
            set_torch_threads(torch_threads())  # otherwise later threads inherit the pool's setting


def spread_over(function: Callable[[T], R], items: Iterable[T], scheduler: str | None) -> Iterator[R]:
    """Yield the results as ``a_core_each`` does; with the address of a Dask scheduler, computed by its workers.

    ``function`` and items must be picklable, and workers must see the same files. They import the plugins that this
    process has imported. Dask repeats the items of a lost worker on another one. Raises what ``function`` raises,
    PluginError for a plugin that a worker cannot import, and ThesisError where no scheduler answers.
    """
    if scheduler is None:
        yield from a_core_each(function, items)
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ThesisError("--scheduler needs Dask: pip install 'thesis-lib[cluster]'") from error
    try:
        client = Client(scheduler, timeout=SCHEDULER_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ThesisError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    work = partial(_with_plugins, function, imported_plugins(), str(Path.cwd()))
    with client:
        # Not pure: a file of the same name may have changed, and the store decides what is computed again.
        for future in client.map(work, list(items), pure=False):
            yield future.result()


def _with_plugins(function: Callable[[T], R], plugins: tuple[str, ...], folder: str, item: T) -> R:
    """Call the function in a process of a cluster, after the plugins of the one that sent it have been imported."""
    import_plugins(plugins, folder)
    return function(item)


def prefetch(items: Iterable[T]) -> Iterator[T]:
    """Yield the same items; another thread computes the next one while the caller uses the current one.

    Raises what the iteration of ``items`` raises.
    """
    iterator, end = iter(items), cast(T, object())
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(next, iterator, end)
        while (item := future.result()) is not end:
            future = pool.submit(next, iterator, end)
            yield item
