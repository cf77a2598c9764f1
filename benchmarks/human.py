"""The folder of human recordings that THESIS_HUMAN names, in the layout of ``recordings_by_speaker``."""

from pathlib import Path

from benchmarks.folders import optional_folder, required_folder
from thesis_lib.runs.folder import RunError
from thesis_lib.validation.swap import recordings_by_speaker

VARIABLE = "THESIS_HUMAN"
MEASURED = Path(__file__).with_name("librispeech101.txt")
COMPARED = Path(__file__).with_name("librispeech101_compared.txt")


def human_folder() -> Path:
    """The folder. SystemExit, with what to do, where THESIS_HUMAN is not set."""
    return required_folder(VARIABLE, "human recordings: a subfolder or a file is a speaker")


def has_human_folder() -> bool:
    """Whether THESIS_HUMAN names a folder."""
    return optional_folder(VARIABLE) is not None


def human_recordings() -> dict[str, list[Path]]:
    """Speaker -> recordings. SystemExit for a folder that cannot be used."""
    try:
        return recordings_by_speaker(human_folder())
    except RunError as error:
        raise SystemExit(str(error)) from None


def recorded_sexes() -> dict[str, str]:
    """Speaker -> "f" or "m" of the recordings of the saved results, from LibriSpeech's list of readers."""
    return dict(line.split() for line in MEASURED.read_text().splitlines())


def compared_speakers() -> frozenset[str]:
    """Names of the speakers on whom systems were compared for a choice; they are no targets of a reported result.

    The list has both comparisons of recipes: the first had 16 speakers, spread over the folder, the second 48.
    """
    return frozenset(COMPARED.read_text().split())
