import asyncio
import contextlib
import threading

import pytest
from served import Client, slow_pipeline

from thesis_lib.serving.server import Limits, Server, bound
from thesis_lib.serving.sessions import scratch_folder

WAIT_MS = 60_000


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
def networks(stages):
    """The encoders and the vocoder of the server."""
    return stages


@pytest.fixture(scope="module")
def server(networks):
    with running(slow_pipeline(networks), upload_bytes=3_000_000, sessions=4) as served:
        yield served


@pytest.fixture
def client(server):
    with Client(server) as found:
        yield found


@pytest.fixture
def opened(browser, server):
    """A function that opens the page; nothing may fail on it, and nothing may be asked for elsewhere."""
    contexts, found = [], []

    def open_(width=1280, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("request", lambda r: None if r.url.startswith((server.address, "data:")) else found.append(r.url))
        page.on("pageerror", lambda error: found.append(str(error)))
        page.on("console", lambda m: found.append(m.text) if "Content Security Policy" in m.text else None)
        page.goto(server.address)
        page.locator("#file-help:not(:empty)").wait_for()
        return page

    yield open_
    server.pipeline.translator.release()
    for context in contexts:
        for page in context.pages:
            if page.locator("#end").is_visible():
                page.locator("#end").click()
                page.locator("#choose").wait_for()
        context.close()
    assert found == []
