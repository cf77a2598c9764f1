"""The addresses of the dubbing page: the page itself, the state of a session, its jobs and its files."""

import mimetypes
from pathlib import Path
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict
from tornado.web import StaticFileHandler

from thesis_lib.cloning import CloningError
from thesis_lib.serving.dubbing import FORMATS, export_job, request_of, speak_job
from thesis_lib.serving.guarded import Guarded, NotFound, Refused, checked
from thesis_lib.serving.options import Options
from thesis_lib.serving.sessions import ROLES, saved_as
from thesis_lib.serving.uploads import Body, NewSession, Recordings, ScriptFile
from thesis_lib.utils.files import fingerprint

PAGE = Path(__file__).parents[1] / "data" / "serving"
ID = r"([\w-]+)"


class Export(BaseModel):
    """A format of the English: a suffix of an audio or video file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: str
    add_track: bool = False


class Page(Guarded):
    """The page and what it loads."""

    def get(self, name: str) -> None:
        """Send one of the page's files."""
        path = PAGE / (name or "page.html")
        self.set_header("Content-Type", f"{mimetypes.guess_type(path.name)[0]}; charset=utf-8")
        self.finish(path.read_bytes())


class Settings(Guarded):
    """What the page needs to know before a recording is chosen."""

    def get(self) -> None:
        """Limits, formats and the server's defaults."""
        self.finish(self.server.settings())


class SessionState(Guarded):
    """GET: the state of a session. DELETE: its end."""

    def get(self, name: str) -> None:
        """Send the state of the session, and keep it open. ``?page=`` names the page that shows it, until it leaves."""
        session = self.session(name)
        if page := self.page:
            session.pages.add(page)
        self.finish(self.server.status(session))

    def delete(self, name: str) -> None:
        """Delete the session's files."""
        self.server.sessions.end(self.session(name))
        self.set_status(204)


class Leave(Body):
    """POST: the page was closed or is loaded anew."""

    def post(self, name: str) -> None:
        """End the session in some seconds, unless the page comes back or another one (``?page=``) shows it."""
        self.server.sessions.leave(self.session(name), self.page)
        self.set_status(204)


class Speak(Body):
    """POST: speak the recording with the given options. DELETE: cancel the session's job."""

    def post(self, name: str) -> None:
        """Queue the job. Refuses options that contradict each other (400), and a session that has a job (409)."""
        session, server = self.session(name), self.server
        server.check_idle(session)
        options = checked(Options, bytes(self.body))
        try:
            job = speak_job(session, server.pipeline, options, server.adapter)
        except CloningError as error:
            raise Refused(400, session.shown(str(error))) from None
        session.options = options
        server.start(session, job)
        self.set_status(202)
        self.finish(server.status(session))

    def delete(self, name: str) -> None:
        """Cancel. A job that runs stops after its segment."""
        session = self.session(name)
        self.server.jobs.cancel(session.job)
        self.finish(self.server.status(session))


class Write(Body):
    """POST: write what was spoken in another format."""

    def post(self, name: str) -> None:
        """Queue the job. Refuses (409) where nothing was spoken yet, or the script or a recording has changed since."""
        session, server = self.session(name), self.server
        server.check_idle(session)
        wanted = checked(Export, bytes(self.body))
        if wanted.format not in FORMATS:
            raise Refused(400, f"the format {wanted.format!r} is unknown: use one of {', '.join(FORMATS)}")
        if (made := session.made) is None:
            raise Refused(409, "nothing was spoken yet: press Translate and speak first")
        if made.script != (fingerprint(session.script) if made.script and session.script.exists() else ""):
            raise Refused(409, "the script has changed: press Speak again first")
        if made.request != request_of(session, made.options):
            raise Refused(409, "the recordings of the options have changed: press Speak again first")
        server.start(
            session, export_job(session, server.pipeline, made, wanted.format, wanted.add_track, server.adapter)
        )
        self.set_status(202)
        self.finish(server.status(session))


class Files(Guarded, StaticFileHandler):
    """A file of a session by its name in ``Session.files``; with ranges, which players need to seek."""

    async def get(self, name: str, kind: str, include_body: bool = True) -> None:  # type: ignore[override]
        """Send the file, or with ``?download`` let the browser save it."""
        self.names = name, kind
        await super().get("", include_body)

    async def head(self, name: str, kind: str) -> None:  # type: ignore[override]
        """The headers alone."""
        await self.get(name, kind, include_body=False)

    def validate_absolute_path(self, root: str, absolute_path: str) -> str:
        """The file of the session: no part of the address is part of its path."""
        session = self.session(self.names[0])
        path = session.files.get(self.names[1])
        if path is None or not path.is_file():
            raise Refused(404, f"there is no {self.names[1]} in this session: speak the recording first")
        return str(path)

    def set_extra_headers(self, path: str) -> None:
        """Name the file that is saved: talk.mp3 is saved as talk.en.wav."""
        self.set_header("Cache-Control", "no-store")
        if self.get_query_argument("download", None) is not None:
            name = saved_as(self.session(self.names[0]), self.names[1], Path(str(self.absolute_path)))
            self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(name)}")

    def compute_etag(self) -> None:
        """Disable ETags: a file changes under the same name."""


def routes() -> list[tuple]:
    """Every address with its handler."""
    session = rf"/api/sessions/{ID}"
    return [
        (r"/(page\.css|(?:page|segments|options|progress|requests)\.js|)", Page),
        (r"/api/settings", Settings),
        (r"/api/sessions", NewSession),
        (session, SessionState),
        (rf"{session}/leave", Leave),
        (rf"{session}/recordings/({'|'.join(ROLES)})", Recordings),
        (rf"{session}/script", ScriptFile),
        (rf"{session}/speak", Speak),
        (rf"{session}/export", Write),
        (rf"{session}/files/([\w.]+)", Files, {"path": ""}),  # of no folder: see Files.validate_absolute_path
        (r".*", NotFound),
    ]
