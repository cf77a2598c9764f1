"""Check the file that is to be written, before anything is loaded or computed."""

import os
from pathlib import Path

from thesis_lib.audio.files import SUFFIXES


def target_problem(target: Path, suffixes: tuple[str, ...] = SUFFIXES) -> str:
    """Why a recording cannot be written under a name, with the remedy; empty where it can."""
    if target.is_dir():
        return f"{target} is a folder: name a file in it for the output of one recording"
    if target.suffix.lower() not in suffixes:
        return f"{target}: the suffix of the output must be one of {', '.join(suffixes)}"
    return place_problem(target.absolute().parent)


def place_problem(folder: Path, what: str = "output") -> str:
    """Why nothing can be written in a folder, which need not be there yet; empty where it can.

    ``what`` is to be written there.
    """
    above = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        return f"{folder}: nothing can be written to {above}: choose another folder for the {what}"
    return ""
