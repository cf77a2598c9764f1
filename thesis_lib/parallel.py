"""A core each: small networks leave the other cores idle when recordings come one by one."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def a_core_each(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """The results in the items' order, each computed by one thread on one core. Raises what ``function`` raises."""
    with ThreadPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        try:
            yield from pool.map(function, items)
        finally:
            pool.shutdown(cancel_futures=True)  # after a bad item, or Ctrl-C, the others are not waited for
            torch.set_num_threads(torch.get_num_threads())  # later threads would inherit the pool's setting
