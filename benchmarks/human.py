"""The folder of human recordings that THESIS_HUMAN names, in the layout of ``recordings_by_speaker``."""

import os
from pathlib import Path

from thesis_lib.runs.folder import RunError
from thesis_lib.validation.swap import recordings_by_speaker


def human_folder() -> Path:
    """The folder. SystemExit, with what to do, where THESIS_HUMAN is not set."""
    folder = os.environ.get("THESIS_HUMAN")
    if not folder:
        raise SystemExit("THESIS_HUMAN must name a folder of human recordings: a subfolder or a file is a speaker")
    return Path(folder)


def human_recordings() -> dict[str, list[Path]]:
    """Speaker -> recordings. SystemExit for a folder that cannot be used."""
    try:
        return recordings_by_speaker(human_folder())
    except RunError as error:
        raise SystemExit(str(error)) from None
