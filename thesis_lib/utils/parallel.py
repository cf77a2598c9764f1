"""The same work on many recordings: a core each, or a worker each of a cluster."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import torch

from thesis_lib.utils.errors import ThesisError

T = TypeVar("T")
R = TypeVar("R")
PATIENCE = "20s"  # for a scheduler's answer


def a_core_each(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The results in the items' order, each computed by one thread on one core. Raises what ``function`` raises.

    Small networks leave the other cores idle when recordings come one by one.
    """
    with ThreadPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield from pool.map(function, items)
        finally:
            pool.shutdown(cancel_futures=True)  # after a bad item, or Ctrl-C, the others are not waited for
            torch.set_num_threads(torch.get_num_threads())  # later threads would inherit the pool's setting


def spread_over(function: Callable[[T], R], items: Iterable[T], scheduler: str | None) -> Iterator[R]:
    """``a_core_each``; or, with the address of a Dask scheduler, on the workers of its cluster.

    ``function`` and items must be picklable, and files must be where the workers see them. What a lost worker had in
    hand, Dask gives to another. Raises what ``function`` raises; ThesisError where there is no scheduler.
    """
    if scheduler is None:
        yield from a_core_each(function, items)
        return
    try:
        from distributed import Client
    except ImportError as error:
        raise ThesisError("--scheduler needs Dask: pip install 'thesis-lib[cluster]'") from error
    try:
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ThesisError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client:
        # Not pure: the same files may have changed since, and the store decides what need not be done again.
        for future in client.map(function, list(items), pure=False):
            yield future.result()


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
