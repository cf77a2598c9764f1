"""Jobs of the dubbing page: one thread runs them one after another, and each reports how far its stages are."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.extras import remedy

QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"
MAX_SHOWN_SEGMENTS = 5  # of a running translation

log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Raised by ``Job.report`` where the job was cancelled."""


@dataclass
class Job:
    """One piece of work. ``stages`` maps each stage, in their order, to the share that is done, 0 to 1."""

    kind: str  # "speak" or "export"
    work: Callable[["Job"], None]
    stages: dict[str, float]
    state: str = QUEUED
    error: str = ""
    notes: list[str] = field(default_factory=list)
    segments: list[dict] = field(default_factory=list)  # the last ones that were translated
    _stop: threading.Event = field(default_factory=threading.Event)
    _then: Callable[[], None] | None = None

    @property
    def is_over(self) -> bool:
        """Whether it neither waits nor runs."""
        return self.state not in (QUEUED, RUNNING)

    def report(self, stage: str, share: float) -> None:
        """Set the share of a stage that is done. Raises Cancelled where the job has been cancelled."""
        if self._stop.is_set():
            raise Cancelled
        if stage in self.stages:
            self.stages[stage] = min(1.0, max(self.stages[stage], share))

    def add_segment(self, **said: object) -> None:
        """Keep a translated segment to be shown."""
        self.segments = [*self.segments, said][-MAX_SHOWN_SEGMENTS:]


class Jobs:
    """A queue and the thread that runs it."""

    def __init__(self) -> None:
        self._waiting: list[Job] = []
        self._change, self._closed = threading.Condition(), False
        # A daemon, so that a network's call that does not end cannot keep the process alive.
        self._thread = threading.Thread(target=self._run, name="dubbing", daemon=True)
        self._running: Job | None = None
        self._thread.start()

    def add(self, job: Job) -> None:
        """Put a job at the end of the queue."""
        with self._change:
            self._waiting.append(job)
            self._change.notify()

    def ahead(self, job: Job) -> int:
        """How many jobs run or wait before this one."""
        with self._change:
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + (self._running is not None)

    def cancel(self, job: Job | None, then: Callable[[], None] = lambda: None) -> None:
        """Cancel a job, if there is one; call ``then`` once it does not run any more, which may be at once."""
        with self._change:
            if job is not None:
                job._stop.set()
                if job in self._waiting:
                    self._waiting.remove(job)
                    job.state = CANCELLED
                if job is self._running:
                    job._then = then
                    return
        then()

    def close(self, seconds: float) -> bool:
        """Cancel every job; return whether the running one has ended within ``seconds``."""
        with self._change:
            for job in [*self._waiting, *([self._running] if self._running else [])]:
                job._stop.set()
            self._waiting.clear()
            self._closed = True
            self._change.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job = self._running = self._waiting.pop(0)
                job.state = RUNNING
            state = self._result(job)
            with self._change:
                self._running, job.state, then = None, state, job._then
            if then:
                then()

    def _result(self, job: Job) -> str:
        """Run a job; return its last state. No error may end the thread."""
        try:
            job.work(job)
            job.stages.update(dict.fromkeys(job.stages, 1.0))
            return DONE
        except Cancelled:
            return CANCELLED
        except (ThesisError, OSError) as error:
            job.error = str(error)
        except ImportError as error:
            job.error = remedy(error) or str(error)
        except BaseException as error:  # a defect of the library or of a model, including a Rust panic
            log.exception("a job has failed")
            job.error = f"{type(error).__name__}: {error}"
        return CANCELLED if job._stop.is_set() else FAILED
