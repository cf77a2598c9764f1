"""Uploads of the dubbing page: a request's body goes to a file, or for JSON to memory, within a limit."""

import asyncio
import shutil
from pathlib import Path
from typing import BinaryIO, NoReturn

from tornado.web import stream_request_body

from thesis_lib.audio.decoding import READ_SUFFIXES
from thesis_lib.audio.files import AudioError, header
from thesis_lib.audio.video import check_video
from thesis_lib.cloning import CloningError
from thesis_lib.cloning.script import SCRIPT_SUFFIXES
from thesis_lib.serving.dubbing import set_script
from thesis_lib.serving.guarded import GONE, REASONS, Guarded, Refused
from thesis_lib.serving.playable import is_played
from thesis_lib.serving.sessions import Session, safe_name

MAX_TEXT_BYTES = 4_000_000  # of a script, and of the JSON of a request
MB = 1_000_000


@stream_request_body
class Body(Guarded):
    """A handler of requests with a body of at most ``limit`` bytes, in ``self.body``."""

    limit = MAX_TEXT_BYTES
    is_kept = False

    def prepare(self) -> None:
        """Refuse other sites at once, all else after the body, which is then dropped.

        Most clients read no answer before they have sent everything.
        """
        super().prepare()
        self.body = bytearray()
        try:
            self.admit()
        except Refused as error:
            refused = error

            def refuse(*given: str) -> NoReturn:
                raise refused

            setattr(self, str(self.request.method).lower(), refuse)

    def admit(self) -> None:
        """Refuse a body without a length (411) or above the limit (413) before it is read."""
        if self.request.method in ("GET", "HEAD", "DELETE"):
            return
        if not (given := self.request.headers.get("Content-Length", "")).isdecimal():
            raise Refused(411, "the length of the upload is missing: send the file as a whole")
        self.request.connection.set_max_body_size(length := int(given))  # type: ignore[union-attr]
        self.is_kept = length <= self.limit
        if not self.is_kept:
            raise Refused(413, f"the file has {_mb(length)}: at most {_mb(self.limit)} can be uploaded")

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body, unless it is too long."""
        if self.is_kept:
            self.body += chunk


class RecordingUpload(Body):
    """A body that is a recording: it is written to a file of the session, and checked."""

    part: Path | None = None  # the file until it is kept
    session_id = ""  # which the upload keeps open
    stream: BinaryIO | None = None
    failure: OSError | None = None

    def initialize(self) -> None:
        """The limit is the server's."""
        self.limit = self.server.limits.upload_bytes

    def receive_into(self, folder: Path, session: Session) -> None:
        """Write the body into ``folder``, a new one. Refuses a type that is not read (415) and an empty file (400)."""
        name = safe_name(self.get_query_argument("name", ""))
        if Path(name).suffix not in READ_SUFFIXES:
            raise Refused(415, f"{name} is no recording: choose a file of these types: {', '.join(READ_SUFFIXES)}")
        if self.request.headers["Content-Length"] == "0":
            raise Refused(400, f"{name} is empty: choose another recording")
        folder.mkdir(mode=0o700, parents=True)
        self.part, self.session_id = folder / name, session.id
        self.stream = self.part.open("wb")

    def data_received(self, chunk: bytes) -> None:
        """Write a part of the body, unless an earlier one could not be written."""
        self.server.sessions.get(self.session_id)
        try:
            if self.stream and not self.failure:
                self.stream.write(chunk)
        except OSError as error:  # no space left; told by ``received``, where an answer can be sent
            self.failure = error

    async def received(self) -> tuple[Path, float]:
        """The complete file and its duration in s. Refuses one that cannot be decoded (415) or written (507).

        The caller keeps the file by setting ``part`` to None.
        """
        path = self.part
        assert path is not None
        self._close()
        if self.failure:
            raise Refused(507, f"the upload cannot be written: {self.failure.strerror}")
        try:
            seconds = (await asyncio.to_thread(header, path))[1]
        except AudioError as error:
            raise Refused(415, str(error).replace(f"{path.parent}/", "")) from None
        if self.part is None:  # the client has closed the connection meanwhile
            raise Refused(400, "the upload was broken off: try again")
        return path, seconds

    def on_finish(self) -> None:
        """Close the file; delete it unless it was kept."""
        self._close()
        if self.part:
            shutil.rmtree(self.part.parent, ignore_errors=True)
            self.part = None

    def on_connection_close(self) -> None:
        """Delete the file of an upload that was broken off."""
        self.on_finish()

    def _close(self) -> None:
        try:
            if self.stream:
                self.stream.close()
        except OSError as error:  # of the bytes that were not written yet
            self.failure = error


class NewSession(RecordingUpload):
    """POST: a recording opens a session."""

    opened: Session | None = None

    def admit(self) -> None:
        """Open the session before the body comes; refuse (503) where too many are open."""
        if self.request.method != "POST":
            raise Refused(405, REASONS[405])
        super().admit()
        if (session := self.server.sessions.create()) is None:
            raise Refused(503, "too many recordings are open: close another page of this address, and try again")
        self.opened = session
        self.receive_into(session.folder / "source", session)

    async def post(self) -> None:
        """Answer with the session's name."""
        session = self.opened
        assert session is not None
        path, session.seconds = await self.received()
        if self.server.sessions.get(session.id) is None:
            raise Refused(404, GONE)
        session.is_video = await asyncio.to_thread(_has_picture, path)
        if await asyncio.to_thread(is_played, path):
            session.files["source"] = path
        session.source, self.opened, self.part = path, None, None
        self.set_status(201)
        self.finish({"id": session.id})

    def on_finish(self) -> None:
        """End the session of an upload that was refused or broken off."""
        super().on_finish()
        if self.opened:
            self.server.sessions.end(self.opened)


class Recordings(RecordingUpload):
    """PUT adds a further recording of a role to a session; DELETE removes all of the role."""

    def admit(self) -> None:
        """Open the file before the body comes. One style and one English recording; several of a voice."""
        super().admit()
        session, role = self.session(self.path_args[0]), self.path_args[1]
        self.server.check_idle(session)
        if self.request.method == "PUT":
            if len(session.recordings[role]) >= self.server.limits.recordings:
                raise Refused(400, f"{self.server.limits.recordings} recordings are enough: remove some")
            session.revision += 1
            self.receive_into(session.folder / role / str(session.revision), session)

    async def put(self, name: str, role: str) -> None:
        """Keep the recording once it is complete."""
        path, _ = await self.received()
        session = self.session(name)
        self.server.check_idle(session)  # a job may have begun during the upload
        self._set(session, role, [*(session.recordings[role] if role == "voice" else []), path])
        self.part = None
        self.finish(self.server.status(session))

    def delete(self, name: str, role: str) -> None:
        """Delete the recordings of the role."""
        session = self.session(name)
        self._set(session, role, [])
        self.finish(self.server.status(session))

    def _set(self, session: Session, role: str, paths: list[Path]) -> None:
        """Set the recordings of a role, and delete those that are replaced: each has a folder of its own."""
        for path in set(session.recordings[role]) - set(paths):
            shutil.rmtree(path.parent, ignore_errors=True)
        session.recordings[role] = paths


class ScriptFile(Body):
    """PUT: a script in JSON or SRT, which is checked; DELETE: the recording is translated anew."""

    async def put(self, name: str) -> None:
        """Set the script. Refuses a wrong one with status 400, which names the place in it."""
        session = self.session(name)
        self.server.check_idle(session)
        given = safe_name(self.get_query_argument("name", "script.json"))
        if Path(given).suffix not in SCRIPT_SUFFIXES:
            raise Refused(415, f"{given} is no script: choose a {' or '.join(SCRIPT_SUFFIXES)} file")
        path = session.folder / "uploaded" / given
        with self.server.sessions.writing(session):
            try:
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(self.body)
                await asyncio.to_thread(set_script, session, path)
            except (CloningError, AudioError, OSError) as error:
                self.session(name)  # its end deletes the recording, which is then the error
                if isinstance(error, OSError):
                    raise Refused(507, f"the script cannot be written: {error.strerror}") from None
                raise Refused(400, session.shown(str(error))) from None
            finally:
                path.unlink(missing_ok=True)
        self.finish(self.server.status(self.session(name)))

    def delete(self, name: str) -> None:
        """Remove the script."""
        session = self.session(name)
        self.server.check_idle(session)
        session.script.unlink(missing_ok=True)
        for kind in ("script.json", "script.srt"):
            session.files.pop(kind, None)
        session.revision += 1
        self.finish(self.server.status(session))


def _has_picture(path: Path) -> bool:
    """Whether the recording is a video with a picture; Matroska holds almost every codec."""
    try:
        check_video(path, path.with_suffix(".mkv"))
    except AudioError:
        return False
    return True


def _mb(count: int) -> str:
    return f"{count / MB:,.1f} MB"
