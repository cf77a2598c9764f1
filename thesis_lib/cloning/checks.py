"""Check the files of a request before anything is loaded or computed."""

from collections.abc import Iterable
from pathlib import Path

from thesis_lib.audio.decoding import READ_SUFFIXES
from thesis_lib.audio.files import STDOUT, SUFFIXES, survey
from thesis_lib.audio.targets import place_problem, target_problem
from thesis_lib.audio.video import VIDEO_SUFFIXES, check_video, is_video
from thesis_lib.cloning.diarisation import MAX_SPEAKERS
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.script import SCRIPT_SUFFIXES, Script, cache_folder, check_labels, read_script
from thesis_lib.cloning.subtitles import LANGUAGES, subtitle_paths
from thesis_lib.utils.process import printable


def check_script(
    source: Path, target: Path, script: Path | None, subtitles: bool = False, speakers: int | str = 1
) -> Script | None:
    """Return the script, None where there is none to read.

    ``subtitles``: whether subtitles are written beside the target. Raises CloningError for a script that cannot be
    used for the recording, or cannot be written.
    """
    if script is None:
        return None
    if script.suffix.lower() not in SCRIPT_SUFFIXES:
        raise CloningError(f"{script}: a script is a {' or '.join(SCRIPT_SUFFIXES)} file: name one with this suffix")
    if script.is_dir():
        raise CloningError(f"{script} is a folder: name a file in it for the script")
    if script.resolve() in (Path(source).resolve(), Path(target).resolve()):
        raise CloningError(f"{script} is also the input or the output: name another file for the script")
    stem = target.with_suffix("")
    if subtitles and script.resolve() in (x.resolve() for name in LANGUAGES for x in subtitle_paths(stem, name)):
        raise CloningError(f"{script} is also a file of the subtitles: name another file for the script")
    if (cache := cache_folder(script)).exists() and not cache.is_dir():
        raise CloningError(f"{cache} is a file: remove it, so that a folder for the script's segments can be made")
    if problem := place_problem(script.absolute().parent, "script"):
        raise CloningError(problem)
    if not script.exists():
        return None
    found = read_script(script, source)
    count = speakers if isinstance(speakers, int) else MAX_SPEAKERS
    check_labels(script, found, [str(number) for number in range(1, count + 1)])
    return found


def check_target(
    source: Path, target: Path, add_track: bool = False, recordings: Iterable[Path] = (), subtitles: bool = False
) -> None:
    """Raise CloningError for a target that is an input, a folder, or cannot be written, before all computation.

    ``recordings``: the inputs beside the source. ``subtitles``: whether they are written beside the target. Raises
    AudioError where the target is a video and the source has no picture, or one that the target cannot hold.
    """
    if str(target) == STDOUT:
        raise CloningError(f"- (stdout) is for speech from stdin: name a file for the output of {source}")
    check_output(target, SUFFIXES + VIDEO_SUFFIXES)
    if target.resolve() == source.resolve():
        raise CloningError(f"{target} is the input: name another file for the output")
    if target.resolve() in (path.resolve() for path in recordings):
        raise CloningError(f"{target} is also a recording that is read: name another file for the output")
    beside = (path for name in LANGUAGES for path in subtitle_paths(target.with_suffix(""), name)) if subtitles else ()
    if folder := next((path for path in beside if path.is_dir()), None):
        raise CloningError(f"{folder} is a folder, and subtitles are files of this name: rename it")
    if is_video(target):
        check_video(source, target, add_track)
    elif add_track:
        raise CloningError(f"{target}: --add-track is for a video: name one of {', '.join(VIDEO_SUFFIXES)} as target")


def check_output(target: Path, suffixes: tuple[str, ...] = SUFFIXES) -> None:
    """Raise CloningError for a file name without a format's suffix, and for a place where nothing can be written."""
    if problem := target_problem(target, suffixes):
        raise CloningError(problem)


def check_recordings(paths: Iterable[Path]) -> None:
    """Raise AudioError for a recording that is missing or cannot be read to its end, before anything is computed."""
    for path in paths:
        survey(path)


def recordings_in(folder: Path) -> list[Path]:
    """Return every audio and video file below a folder, sorted, with links that lead nowhere.

    Raises CloningError if there is none.
    """
    named = (path for path in Path(folder).rglob("*") if path.suffix.lower() in READ_SUFFIXES)
    paths = sorted(path for path in named if path.is_file() or path.is_symlink() and not path.exists())
    if not paths:
        raise CloningError(f"{folder} holds no recordings: name a folder with {', '.join(READ_SUFFIXES)} files")
    return paths


def metadata(consent: str) -> str:
    """Return the comment that is written to the metadata of an output file."""
    return f"Synthetic speech in a cloned voice, made by thesis-lib. Consent: {printable(consent) or 'not stated'}."
