import asyncio
import contextlib
import threading

import pytest
from served import Client, slow_pipeline

from thesis_lib.serving.server import Limits, Server, bound
from thesis_lib.serving.sessions import scratch_folder


@contextlib.contextmanager
def running(pipeline, **limits):
    """A server on a free port, in a thread of this process."""
    with scratch_folder() as root:
        (socket,) = sockets = bound(0)
        server = Server(pipeline, root, Limits(**limits))
        loop, stop = asyncio.new_event_loop(), asyncio.Event()

        def run():
            asyncio.set_event_loop(loop)
            loop.run_until_complete(server.run(sockets, stop))
            loop.close()

        thread = threading.Thread(target=run)
        thread.start()
        server.address = f"http://127.0.0.1:{socket.getsockname()[1]}"
        yield server
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        assert not thread.is_alive()
        assert not root.exists()


@pytest.fixture(scope="module")
def server(stages):
    with running(slow_pipeline(stages), upload_bytes=3_000_000, sessions=4) as served:
        yield served


@pytest.fixture
def client(server):
    with Client(server) as found:
        yield found
