"""Work that is spread over threads or processes; the processes import a small module instead of torch."""

import importlib
import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from thesis_lib.audio.errors import AudioError
from thesis_lib.utils import parallel, plugins
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.parallel import spread_over

MAX_BEGUN = 5  # items: two of each process, and one more before it is told; it has received more than that
WORK = '''
import os, signal, sys, time

class TwoReasons(Exception):
    """Pickled with one argument, it cannot be built again."""

    def __init__(self, first, second):
        super().__init__(f"{first}, {second}")

def later_items_first(item):
    time.sleep(0.02 * (7 - item))
    settings = os.environ["OMP_NUM_THREADS"], os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"]
    return item, os.getpid(), settings, signal.getsignal(signal.SIGINT)

def own_process(item):
    return os.getpid()

def failing(item):
    if item == 2:
        time.sleep(0.3)
    if item >= 2:
        from thesis_lib.audio.errors import AudioError
        raise AudioError("duration", f"{item}.wav", "record it again")
    return item

class Open(Exception):
    """It holds what cannot be pickled."""

def two_reasons(item):
    raise TwoReasons("no sound", "no text")

def open_file(item):
    raise Open(open(os.devnull))

def dying(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item

class Item:
    """It counts in the process that sends it how many are sent."""

    sent = 0

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        Item.sent += 1
        return Item, (self.path,)

def slow(item):
    item.path.touch()
    time.sleep(0.7)

def plugin_value(item):
    return sys.modules["tenfold"].times_ten(item)
'''


@pytest.fixture
def work(tmp_path, monkeypatch):
    """The module ``WORK``, in a folder that other processes search too; two of them compute from six items on."""
    (tmp_path / "work_of_processes.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(parallel, "MIN_ITEMS_FOR_PROCESSES", 6)
    monkeypatch.setattr(parallel, "available_cores", lambda: 2)
    yield importlib.import_module("work_of_processes")
    del sys.modules["work_of_processes"]
    assert not active_children()


def test_processes_with_one_thread_each_give_the_results_in_order(work):
    items, pids, settings, interrupts = zip(*spread_over(work.later_items_first, range(7)), strict=True)
    assert items == tuple(range(7))
    assert os.getpid() not in pids
    assert set(settings) == {("1", "16")}
    assert set(interrupts) == {signal.SIG_IGN}, "Ctrl-C must not end a worker before the items are cancelled"


def test_few_items_closures_and_one_core_stay_on_threads(work, monkeypatch):
    assert set(spread_over(work.own_process, range(5))) == {os.getpid()}
    assert os.getpid() not in set(spread_over(work.own_process, range(6)))
    seen = []
    list(spread_over(lambda item: seen.append(item), range(8)))
    assert sorted(seen) == list(range(8))
    monkeypatch.setattr(parallel, "available_cores", lambda: 1)
    assert set(spread_over(work.own_process, range(8))) == {os.getpid()}


def test_a_script_needs_no_guard(work, tmp_path):
    """The standard library's processes run the script again, which would start further ones."""
    script = tmp_path / "script.py"
    script.write_text(
        "from thesis_lib.utils import parallel\n"
        "parallel.MIN_ITEMS_FOR_PROCESSES, parallel.available_cores = 6, lambda: 2\n"
        "def double(item):\n    return 2 * item\n"
        "print(list(parallel.spread_over(double, range(6))))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[0, 2, 4, 6, 8, 10]\n", "")


def test_a_thread_has_one_thread_of_blas_and_of_torch(monkeypatch):
    monkeypatch.setattr(parallel, "available_cores", lambda: 2)

    def threads(_) -> set[int]:
        blas = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
        return blas | {torch.get_num_threads()}

    before = threads(0)
    with threadpool_limits(2, user_api="blas"):
        assert list(spread_over(threads, range(2))) == [{1}, {1}]
        assert 2 in threads(0)
    assert threads(0) == before


def test_the_first_item_s_error_has_its_type_and_message(work):
    results = spread_over(work.failing, range(40))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(AudioError, match=r"2\.wav") as error:
        next(results)
    assert error.value.reason == "duration"


@pytest.mark.parametrize(
    ("name", "says"), [("two_reasons", "TwoReasons: no sound, no text"), ("open_file", "Open: <_io.TextIOWrapper")]
)
def test_an_error_that_cannot_be_pickled_is_named(work, name, says):
    with pytest.raises(RuntimeError, match=says):
        list(spread_over(getattr(work, name), range(8)))


def test_a_killed_process_is_an_error_with_its_remedy(work):
    with pytest.raises(ThesisError, match="one of 2 processes ended too early, .* lack of memory: .*taskset"):
        list(spread_over(work.dying, range(8)))


def test_ctrl_c_waits_only_for_the_items_that_are_being_computed(work, tmp_path):
    items = [work.Item(tmp_path / f"{number}.begun") for number in range(100)]

    def press(_) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process of pytest-xdist ignores it
    try:
        with pytest.raises(KeyboardInterrupt):
            list(map(press, spread_over(work.slow, items)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(list(tmp_path.glob("*.begun"))) <= MAX_BEGUN
    assert work.Item.sent < 20


def test_a_caller_that_stops_does_not_wait_for_the_other_items(work, tmp_path):
    results = spread_over(work.slow, [work.Item(tmp_path / f"{number}.begun") for number in range(100)])
    next(results)
    results.close()
    assert len(list(tmp_path.glob("*.begun"))) <= MAX_BEGUN
    assert work.Item.sent < 20


def test_idle_processes_end_and_their_results_are_kept(work, monkeypatch):
    monkeypatch.setattr(parallel, "MAX_IDLE_SECONDS", 0.5)
    results = spread_over(work.own_process, range(8))
    next(results)
    deadline = time.monotonic() + 30
    while active_children() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not active_children()
    assert len(list(results)) == 7


def test_processes_import_the_plugins(work, tmp_path, monkeypatch):
    (tmp_path / "tenfold.py").write_text("def times_ten(item):\n    return 10 * item\n")
    monkeypatch.setattr(plugins, "_imported", {})
    plugins.import_plugins(["tenfold"], tmp_path)
    assert list(spread_over(work.plugin_value, range(8))) == [10 * item for item in range(8)]
    del sys.modules["tenfold"]
