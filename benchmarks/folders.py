"""The folders outside the repository that a benchmark reads; an environment variable names each.

The saved result of a benchmark has a fingerprint of every folder that was read: with the commit, which has the bundled
recordings and weights, it says which data the numbers are of.
"""

import hashlib
import os
from pathlib import Path

from thesis_lib.utils.files import sha256

_read: dict[str, Path] = {}  # variable -> folder, of those that this process has asked for


def required_folder(variable: str, holds: str) -> Path:
    """The folder that an environment variable names. SystemExit where it names none; ``holds`` says what is needed."""
    folder = optional_folder(variable)
    if folder is None:
        raise SystemExit(f"{variable} must name a folder of {holds}")
    return folder


def optional_folder(variable: str) -> Path | None:
    """The folder that an environment variable names; None where it is not set. SystemExit where it is no folder."""
    named = os.environ.get(variable)
    if not named:
        return None
    if not Path(named).is_dir():
        raise SystemExit(f"{variable} names {named}, which is no folder")
    _read[variable] = Path(named)
    return _read[variable]


def folder_fingerprints() -> dict[str, str]:
    """Variable -> fingerprint of the folder, for those that were read."""
    return {variable: folder_fingerprint(folder) for variable, folder in sorted(_read.items())}


def folder_fingerprint(folder: Path) -> str:
    """16 hex digits of the sha256 of every file's path in the folder and content."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{sha256(path)}\n".encode())
    return digest.hexdigest()[:16]
