"""Map a function over many items: on threads, in processes, or on the workers of a Dask cluster."""

import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, TypeVar, cast

from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.plugins import import_plugins, imported_plugins
from thesis_lib.utils.threads import available_cores, set_torch_threads, torch_threads

T = TypeVar("T")
R = TypeVar("R")
SCHEDULER_TIMEOUT = "20s"  # for the answer of a Dask scheduler
# Items. A process takes 1.4 to 3 s of CPU time to start, for torch and the network (205 and 482 recordings, three runs
# each): with fewer items threads are faster. Many threads wait for each other in Python code, processes do not.
MIN_ITEMS_FOR_PROCESSES = 500
MAX_IDLE_SECONDS = 60  # of a process; then it ends, also where the one that started it was killed
# oneDNN, below torch, by default keeps what it has prepared for 1024 shapes, and every recording has its own length:
# after 241 recordings a process with ECAPA-TDNN took 1.4 GB instead of 0.7 GB, in the same time. And loky replaces a
# process that grows by 0.3 GB.
WORKER_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "16"}


def map_on_cores(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Yield the results in the order of the items, each computed by one thread. Raises what ``function`` raises.

    Small networks do not use several cores for one recording, so that recordings are computed side by side. NumPy's
    BLAS has one thread meanwhile: the threads of all calls would be more than the cores, and results depend on them.
    """
    from threadpoolctl import threadpool_limits

    threads = ThreadPoolExecutor(available_cores(), initializer=set_torch_threads, initargs=(1,))
    with threadpool_limits(1, user_api="blas"), threads as pool:
        try:
            yield from pool.map(function, items)
        finally:
            pool.shutdown(cancel_futures=True)  # after an error or Ctrl-C, do not wait for the other items
            set_torch_threads(torch_threads())  # otherwise later threads inherit the pool's setting


def spread_over(function: Callable[[T], R], items: Iterable[T], scheduler: str | None = None) -> Iterator[R]:
    """Yield the results in the order of the items. Raises what ``function`` raises.

    From ``MIN_ITEMS_FOR_PROCESSES`` items on a process per core computes them, for threads wait for each other in
    Python's own code; fewer items, and a function that cannot be pickled, are computed as by ``map_on_cores``. With the
    address of a Dask ``scheduler`` its workers compute them; they must see the same files, and Dask repeats the items
    of a lost worker on another one. Processes and workers import the plugins that this process has imported.

    Raises PluginError for a plugin that a worker cannot import, and ThesisError where no scheduler answers or a
    process is killed.
    """
    items = list(items)
    work = partial(_with_plugins, function, imported_plugins(), str(Path.cwd()))
    if scheduler is not None:
        yield from _on_cluster(work, items, scheduler)
    elif len(items) >= MIN_ITEMS_FOR_PROCESSES and available_cores() > 1 and _is_picklable(function):
        yield from _in_processes(work, items)
    else:
        yield from map_on_cores(function, items)


def _on_cluster(work: Callable[[T], R], items: list[T], scheduler: str) -> Iterator[R]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ThesisError("--scheduler needs Dask: pip install 'thesis-lib[cluster]'") from error
    try:
        client = Client(scheduler, timeout=SCHEDULER_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ThesisError(f"no Dask scheduler answers at {scheduler}: {error}") from error
    with client:
        # Not pure: a file of the same name may have changed, and the store decides what is computed again.
        for future in client.map(work, items, pure=False):
            yield future.result()


def _in_processes(work: Callable[[T], R], items: list[T]) -> Iterator[R]:
    # Not the standard library's: its processes run the caller's script again, which fails in one without a guard.
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.backend import get_context
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    count, stopped = available_cores(), get_context().Event()
    pool = ProcessPoolExecutor(
        count, timeout=MAX_IDLE_SECONDS, initializer=_start_worker, initargs=(work, stopped), env=WORKER_ENVIRONMENT
    )
    futures: deque = deque()
    try:
        futures.extend(pool.submit(_in_worker, item) for item in items)
        while futures:
            yield futures.popleft().result()
    except TerminatedWorkerError:
        raise ThesisError(
            f"one of {count} processes ended too early, perhaps killed for lack of memory: use fewer, as with "
            "`taskset --cpu-list 0-1 thesis ...`; results that are stored are not computed again"
        ) from None
    finally:  # after an error or Ctrl-C, wait only for the items that are being computed
        stopped.set()
        for future in futures:
            future.cancel()
        pool.shutdown()


def _is_picklable(function: Callable) -> bool:
    try:
        pickle.dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


_work: Callable[[Any], Any]  # of a process of a pool
_stopped: Event  # of its pool; items that it has received already are then left out


def _start_worker(work: Callable[[Any], Any], stopped: Event) -> None:
    global _work, _stopped
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the one that started this one stops it
    _work, _stopped = work, stopped


def _in_worker(item: Any) -> Any:
    if _stopped.is_set():
        return None
    try:
        return _work(item)
    except Exception as error:
        try:
            pickle.dumps(copy(error))  # a copy is built as from a pickle
        except Exception:  # an error from outside; the pool would end, and not name it
            raise RuntimeError(f"{type(error).__name__}: {error}") from None
        raise


def _with_plugins(function: Callable[[T], R], plugins: tuple[str, ...], folder: str, item: T) -> R:
    """Call the function in another process, after the plugins of the one that sent it have been imported."""
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
