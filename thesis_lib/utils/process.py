"""What a command sets up in its process: a home folder, termination with its cleaning up, threads, any name printed."""

import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

TERMINATED = 128 + signal.SIGTERM  # exit status, as a shell gives it


def set_up() -> None:
    """Prepare the process of a command; libraries that are imported later rely on it."""
    ensure_home()
    clean_up_when_terminated()
    # OpenBLAS's threads keep a core busy for some milliseconds after each of NumPy's products, while they wait for the
    # next one. A network in ONNX Runtime that follows then competes with them for the cores.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that is not UTF-8 must not stop a command that prints it
            stream.reconfigure(errors="backslashreplace")


def ensure_home() -> None:
    """Set $HOME to a temporary folder where the user has no home, as in a container without a passwd entry."""
    try:
        Path.home()
    except RuntimeError:
        folder = Path(tempfile.gettempdir()) / f"thesis-lib-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ["HOME"] = str(folder)


def ending_signals() -> list[int]:
    """SIGTERM, and where the platform has it SIGHUP (the terminal was closed); not one that `nohup` has ignored."""
    found = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]
    return [number for number in found if number is not None and signal.getsignal(number) is not signal.SIG_IGN]


def clean_up_when_terminated() -> None:
    """Let ``ending_signals`` end the process as Ctrl-C does, so that partial files are removed."""

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    for number in ending_signals():
        signal.signal(number, leave)


def printable(text: str) -> str:
    """The text with its lone surrogates, as of a name that is not UTF-8, as escape sequences."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
