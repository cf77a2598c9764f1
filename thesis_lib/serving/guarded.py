"""What every answer of the dubbing page has in common: checks against other sites, security headers, errors in JSON.

A page of another site can send requests to this machine. The host name in the request must be this machine's, which
refuses DNS rebinding, and the origin of a request that changes something must be this page.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from tornado.web import HTTPError, RequestHandler

from thesis_lib.serving.sessions import Session

if TYPE_CHECKING:
    from thesis_lib.serving.server import Server

HOSTS = ("127.0.0.1", "localhost", "::1")
READING = ("GET", "HEAD")
MAX_PAGE_CHARS = 40
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
GONE = "this session has ended and its files are deleted: choose the recording again"
REASONS = {404: "there is no such address on this page", 405: "this address does not take such a request"}
REASONS |= {500: "the server has failed: its terminal says why"}


class Refused(HTTPError):
    """A request that is refused with a status and one line."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status)
        self.text = text


class Guarded(RequestHandler):
    """Base of every handler."""

    @property
    def server(self) -> "Server":
        """The server that the handler belongs to."""
        return self.application.settings["server"]

    def set_default_headers(self) -> None:
        """Send the security headers with every answer, errors included."""
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.clear_header("Server")

    def prepare(self) -> None:
        """Refuse other sites with status 403; a link from another site to the page is followed."""
        if _name(self.request.host) not in HOSTS:
            raise Refused(403, "the page answers only on this machine: open http://127.0.0.1 with its port")
        headers = self.request.headers
        if self.request.method not in READING and headers.get("Origin") != f"http://{self.request.host}":
            raise Refused(403, "the request comes from another site: use the page of this address")
        is_link = self.request.path == "/" and headers.get("Sec-Fetch-Mode") == "navigate"
        if not is_link and headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise Refused(403, "the request comes from another site: use the page of this address")

    @property
    def page(self) -> str:
        """The name that the page has given itself in the address, of at most ``MAX_PAGE_CHARS``; empty without one."""
        return self.get_query_argument("page", "")[:MAX_PAGE_CHARS]

    def session(self, name: str) -> Session:
        """The open session of that name, its upload complete. Refuses others with status 404."""
        found = self.server.sessions.get(name)
        if found is None or found.source is None:
            raise Refused(404, GONE)
        return found

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the error as JSON, one line."""
        error = (kwargs.get("exc_info") or (None, None))[1]
        text = error.text if isinstance(error, Refused) else REASONS.get(status_code, self._reason)
        self.set_header("Connection", "close")  # a body that was not read would be taken for the next request
        self.finish({"error": text})


class NotFound(Guarded):
    """Refuse every address without a handler."""

    def prepare(self) -> None:
        """Refuse."""
        super().prepare()
        raise Refused(404, REASONS[404])


def checked(model: type[BaseModel], body: bytes) -> Any:
    """The request's JSON as a model. Refuses a wrong one with status 400, which names the place."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        found: Mapping[str, Any] = error.errors()[0]
        place = ".".join(map(str, found["loc"]))
        raise Refused(400, f"{place + ': ' if place else ''}{found['msg']}: correct it") from None


def _name(host: str) -> str | None:
    """The host of a Host header without its port; None where it is malformed."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
