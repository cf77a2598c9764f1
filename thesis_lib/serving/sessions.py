"""Sessions of the dubbing page: the files of one recording in a folder that is deleted when the session ends."""

import os
import re
import secrets
import shutil
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from thesis_lib.cloning import Clone, Request
from thesis_lib.serving.jobs import Job, Jobs
from thesis_lib.serving.options import Options

PREFIX, LOCK = "thesis-serve-", "lock"  # of the temporary folder, and the file in it that a running server holds
LEAVE_SECONDS = 20.0  # after the page was closed; a reload takes less
MAX_NAME_CHARS = 60  # of a file name without its suffix
ROLES = ("voice", "style", "content")  # of further recordings: target speaker, speaking style, English speech


@dataclass
class JobOutputs:
    """Outputs of the last finished job."""

    clone: Clone
    request: Request
    options: Options
    places: list[dict[str, float]]  # of each spoken segment: source (its start there), start, end in the English, s
    script: str  # fingerprint of the script that was spoken; empty without one


@dataclass
class Session:
    """One recording and what was made of it. ``files`` maps the names under which the page asks for files."""

    id: str
    folder: Path
    expires: float = 0.0  # time.monotonic()
    pages: set[str] = field(default_factory=set)  # open pages that show it: a tab can be duplicated
    source: Path | None = None  # None until the upload is complete
    seconds: float = 0.0  # duration of the source
    is_video: bool = False
    recordings: dict[str, list[Path]] = field(default_factory=lambda: {role: [] for role in ROLES})
    job: Job | None = None
    is_written: bool = False  # while a request writes files of the session
    options: Options | None = None  # of the last job
    made: JobOutputs | None = None
    files: dict[str, Path] = field(default_factory=dict)
    revision: int = 0  # grows with every change of a file
    spoken: int = 0  # how often it was spoken

    @property
    def script(self) -> Path:
        """The script in JSON; it exists after the first job."""
        return self.folder / "script" / "script.json"

    def shown(self, text: str) -> str:
        """A message with the names of files that the user knows, without the session's folder."""
        return re.sub(re.escape(str(self.folder)) + r"/(?:[a-z0-9]+/)*", "", text)


class Sessions:
    """The sessions of one server; their folders lie in ``root``. A session ends after ``keep`` s without a request."""

    def __init__(self, root: Path, jobs: Jobs, keep: float, count: int) -> None:
        self.root, self.jobs, self.keep, self.count = root, jobs, keep, count
        self._open: dict[str, Session] = {}

    def create(self) -> Session | None:
        """A new session; None where ``count`` are open."""
        if len(self._open) >= self.count:
            return None
        name = secrets.token_urlsafe(24)
        session = Session(name, self.root / secrets.token_hex(8), time.monotonic() + self.keep)
        session.folder.mkdir(mode=0o700)
        self._open[name] = session
        return session

    def get(self, name: str) -> Session | None:
        """An open session, which then lasts ``keep`` s from now."""
        if session := self._open.get(name):
            session.expires = time.monotonic() + self.keep
        return session

    def leave(self, session: Session, page: str = "") -> None:
        """End a session soon, unless another page shows it or another request comes.

        A browser lets a hidden page ask once a minute or less, so that its requests alone would come too late.
        """
        session.pages.discard(page)
        if not session.pages:
            session.expires = time.monotonic() + min(self.keep, LEAVE_SECONDS)

    def end(self, session: Session) -> None:
        """Forget a session, cancel its job and delete its files, at the latest when the job has stopped."""
        self._open.pop(session.id, None)
        self.jobs.cancel(session.job, lambda: shutil.rmtree(session.folder, ignore_errors=True))

    @contextmanager
    def writing(self, session: Session) -> Iterator[None]:
        """Context manager for writing a session's files; deletes them if the session has ended meanwhile."""
        session.is_written = True
        try:
            yield
        finally:
            session.is_written = False
            if session.id not in self._open:
                shutil.rmtree(session.folder, ignore_errors=True)

    def expire(self) -> None:
        """End the sessions that are out of time."""
        now = time.monotonic()
        for session in [session for session in self._open.values() if session.expires <= now]:
            self.end(session)


def safe_name(name: str) -> str:
    """The last part of a file's name, of letters, digits and few signs: it can name no other folder."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    stem, dot, suffix = re.sub(r"[^\w .()+-]", "_", last).strip(" .").rpartition(".")
    return f"{stem[:MAX_NAME_CHARS].strip(' .') or 'recording'}{dot}{suffix[:MAX_NAME_CHARS].lower()}"


def saved_as(session: Session, name: str, path: Path) -> str:
    """The name under which a browser saves a file: talk.mp3 gives talk.en.wav and talk.en.srt."""
    stem = session.source.stem if session.source else ""
    if name.startswith("subtitles") or name == "source":
        return path.name
    return f"{stem}.script{path.suffix}" if name.startswith("script") else f"{stem}.en{path.suffix}"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a temporary folder that only this user can read; delete it at the end.

    Folders that killed servers have left are deleted first.
    """
    place = Path(tempfile.gettempdir()).resolve()
    for left in place.glob(f"{PREFIX}*"):
        _delete_left(left)
    root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with FileLock(root / LOCK):
            yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _delete_left(folder: Path) -> None:
    try:
        if folder.lstat().st_uid != os.getuid() or folder.is_symlink() or not (folder / LOCK).is_file():
            return
        with FileLock(folder / LOCK, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
    except (Timeout, OSError):  # of a server that runs; one that another server deletes at the same time
        return
