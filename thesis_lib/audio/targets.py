"""Check the file that is to be written, before anything is loaded or computed."""

import os
from pathlib import Path

from thesis_lib.audio.files import SUFFIXES


def target_problem(target: Path) -> str:
    """Why a recording cannot be written under a name, with the remedy; empty where it can."""
    if target.is_dir():
        return f"{target} is a folder: name a file in it for the output of one recording"
    if target.suffix.lower() not in SUFFIXES:
        return f"{target}: the suffix of the output must be one of {', '.join(SUFFIXES)}"
    above = next(folder for folder in target.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        return f"{target}: nothing can be written to {above}: choose another folder for the output"
    return ""
