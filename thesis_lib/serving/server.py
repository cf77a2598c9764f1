"""The server of the dubbing page: on the loopback address only, with models that are loaded once."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from thesis_lib.audio.decoding import READ_SUFFIXES
from thesis_lib.audio.files import SUFFIXES
from thesis_lib.audio.video import VIDEO_SUFFIXES
from thesis_lib.cloning import VoiceCloningPipeline
from thesis_lib.cloning.diarisation import MAX_SPEAKERS
from thesis_lib.cloning.files import Adapter
from thesis_lib.serving.guarded import Refused
from thesis_lib.serving.handlers import routes
from thesis_lib.serving.jobs import Job, Jobs
from thesis_lib.serving.options import SETTINGS
from thesis_lib.serving.sessions import Session, Sessions, saved_as, scratch_folder
from thesis_lib.serving.uploads import MAX_TEXT_BYTES, MB
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import fingerprint
from thesis_lib.utils.process import ending_signals

ADDRESS = "127.0.0.1"
STOP_SECONDS = 5.0  # for a running job to stop at the end of the server
EXPIRY_SECONDS = 1.0  # between two looks for sessions that are out of time


class ServingError(ThesisError):
    """A server that cannot start; the message names the remedy."""


@dataclass(frozen=True)
class Limits:
    """Limits of one server: uploads, sessions, times."""

    upload_bytes: int = 2_000 * MB  # of one recording
    keep_seconds: float = 1800.0  # a session without any request of its page
    sessions: int = 8  # open at the same time
    recordings: int = 10  # of a target speaker


class Server:
    """The sessions, the queue and the addresses around one pipeline; files lie in ``root``."""

    def __init__(
        self,
        pipeline: VoiceCloningPipeline,
        root: Path,
        limits: Limits = Limits(),
        adapter: Adapter | None = None,
    ) -> None:
        self.pipeline, self.limits, self.adapter, self.root = pipeline, limits, adapter, root
        self.jobs = Jobs()
        self.sessions = Sessions(root, self.jobs, limits.keep_seconds, limits.sessions)
        self.signal = 0  # that has stopped the server

    async def run(self, sockets: list[socket.socket], stop: asyncio.Event) -> bool:
        """Answer until ``stop`` is set, or a signal comes in the main thread; then delete all files.

        Returns False where a job was still running after ``STOP_SECONDS``: then only the end of the process stops it.
        """
        application = Application(routes(), server=self, log_function=lambda handler: None)
        http = HTTPServer(application, max_body_size=MAX_TEXT_BYTES)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, *ending_signals()):
                asyncio.get_running_loop().add_signal_handler(number, self._stop, number, stop)
        http.add_sockets(sockets)
        expiry = asyncio.create_task(self._expire())
        try:
            await stop.wait()
        finally:
            expiry.cancel()
            http.stop()
            shutil.rmtree(self.root, ignore_errors=True)  # at once; ``serve`` removes what a job still writes
            has_ended = self.jobs.close(STOP_SECONDS)
        return has_ended

    def _stop(self, number: int, stop: asyncio.Event) -> None:
        self.signal = number
        stop.set()

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_SECONDS)
            self.sessions.expire()

    def start(self, session: Session, job: Job) -> None:
        """Queue the job of a session."""
        session.job = job
        self.jobs.add(job)

    def check_idle(self, session: Session) -> None:
        """Refuse (409) a change to a session that has a job, or that another request changes."""
        if session.is_written or (session.job and not session.job.is_over):
            raise Refused(409, "this recording is being worked on: wait, or cancel")

    def settings(self) -> dict[str, Any]:
        """Limits, formats and defaults, for the page."""
        config = self.pipeline.config
        return {
            "upload_bytes": self.limits.upload_bytes,
            "types": READ_SUFFIXES,
            "audio": SUFFIXES,
            "video": VIDEO_SUFFIXES,
            "voices": sorted(getattr(self.pipeline.synthesizer, "voices", ())),
            "max_speakers": MAX_SPEAKERS,
            "defaults": {name: getattr(config, name) for name in SETTINGS},
        }

    def status(self, session: Session) -> dict[str, Any]:
        """The state of a session, for the page.

        The job comes first: another thread writes what it has made before its state is "done", so that a job that is
        "done" is never shown without its outputs.
        """
        job = self._shown_job(session)
        made = session.made
        script = fingerprint(session.script) if session.script.exists() else ""
        return {
            "source": {
                "name": session.source.name if session.source else "",
                "seconds": session.seconds,
                "is_video": session.is_video,
            },
            "recordings": {role: [path.name for path in paths] for role, paths in session.recordings.items()},
            "options": session.options and session.options.model_dump(),
            "revision": session.revision,
            "script": script,
            "is_spoken": made is not None and made.script == script,
            "spoken": session.spoken,
            "files": {name: saved_as(session, name, path) for name, path in dict(session.files).items()},
            "job": job,
            "made": made
            and {
                "clone": _without_paths(made.clone),
                "places": made.places,
                "speakers": made.options.speakers,
            },
        }

    def _shown_job(self, session: Session) -> dict[str, Any] | None:
        if (job := session.job) is None:
            return None
        return {
            "kind": job.kind,
            "state": job.state,
            "error": session.shown(job.error),
            "ahead": self.jobs.ahead(job),
            "stages": dict(job.stages),
            "notes": list(job.notes),
            "segments": job.segments,
        }


def _without_paths(clone: Any) -> dict[str, Any]:
    return {key: value for key, value in asdict(clone).items() if key not in ("source", "target", "subtitles", "notes")}


def bound(port: int) -> list[socket.socket]:
    """Sockets of the loopback address. Raises ServingError for a port that is in use or not allowed."""
    try:
        return bind_sockets(port, ADDRESS)
    except OSError as error:
        raise ServingError(f"port {port} cannot be used ({error.strerror}): name another one with --port") from None


def serve(
    build: Callable[[], VoiceCloningPipeline],
    port: int,
    limits: Limits = Limits(),
    adapter: Adapter | None = None,
    say: Callable[[str], None] = print,
) -> int:
    """Serve the dubbing page on 127.0.0.1 until SIGINT, SIGTERM or SIGHUP; return the signal's number.

    ``build`` loads the pipeline, after the port is known to be free. ``say`` is called with the page's address.
    Raises ServingError as ``bound``, and what ``build`` raises.
    """
    sockets = bound(port)
    pipeline = build()
    with scratch_folder() as root:
        server = Server(pipeline, root, limits, adapter)
        say(f"http://{ADDRESS}:{sockets[0].getsockname()[1]}")
        if not asyncio.run(server.run(sockets, asyncio.Event())):
            sys.stdout.flush()
            shutil.rmtree(root, ignore_errors=True)
            os._exit(128 + server.signal)  # the networks cannot be interrupted, and no file may be written any more
    return server.signal
