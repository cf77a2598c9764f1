"""The checks and the processing that every recording of every corpus passes, and the folder of a prepared corpus."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from filelock import FileLock, Timeout

from thesis_lib.audio.bandwidth import recorded_bandwidth
from thesis_lib.audio.files import AudioError, check_speech, header, read_surveyed, resample, write_audio
from thesis_lib.audio.loudness import at_loudness, limited
from thesis_lib.config import AudioConfig, CorpusConfig, MemberConfig
from thesis_lib.config.resume import flat
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Manifest, index_of
from thesis_lib.corpus.rows import list_path
from thesis_lib.corpus.sources import require_same_sources
from thesis_lib.utils.files import sha256, write_text
from thesis_lib.utils.load_librosa import load_librosa

HEADER_TOLERANCE_SECONDS = 0.5  # an MP3's header only estimates the duration
MIN_SOURCE_RATE = 16_000  # Hz of an original recording: below, the upper mel bands would be empty

# Of the configuration, what does not change a recording or the choice of recordings.
NOT_RECORDED = {*CorpusConfig.OPERATIONAL, "utterances"}  # of a list of utterances, its hash is recorded


def converted(path: Path, sample_rate: int, corpus: CorpusConfig) -> tuple[np.ndarray, str]:
    """Read a recording as (N,) samples at ``sample_rate``, trimmed and normalised where the configuration says so.

    The second value says what was repaired, filled, chosen or not read in it.

    With a ``corpus.speed`` the samples are read at another rate than that of the recording: tempo, F0 and formants
    change together, as of a speaker with another vocal tract (speed perturbation, Ko et al. 2015,
    doi:10.21437/Interspeech.2015-711; as other speakers: Yamamoto et al. 2019, doi:10.21437/Interspeech.2019-1508).

    Raises AudioError where it cannot be read, is silent, clipped or not finite, or is too short or too long.
    """
    # The resampler is exact to 20 bits, the file has 16.
    wav, found = read_surveyed(path)
    wav = resample(wav, round(found.rate * corpus.speed), sample_rate, "HQ")
    if corpus.trim is not None and len(wav):
        wav = load_librosa().effects.trim(wav, top_db=corpus.trim)[0]
    if corpus.loudness is not None:
        wav = limited(at_loudness(wav, corpus.loudness, sample_rate), sample_rate)
    check_speech(wav, sample_rate, path)
    check_duration(len(wav) / sample_rate, path, corpus)
    return wav, "; ".join(found.remarks)


def write_converted(target: Path, wav: np.ndarray, sample_rate: int, notes: str) -> None:
    """Write a recording of ``converted`` atomically, with its notes as the file's comment."""
    write_audio(target, wav, sample_rate, comment=notes)


def notes_on(target: Path) -> str:
    """The notes that ``write_converted`` has written with a recording."""
    with soundfile.SoundFile(os.fsencode(target)) as file:
        return file.comment


def of_sides(notes: dict[str, str]) -> str:
    """{side: notes} -> the notes with their side."""
    return "; ".join(f"{side}: {text}" for side, text in notes.items() if text)


def check_duration(seconds: float, path: Path, corpus: CorpusConfig, margin: float = 0.0) -> None:
    """Raise AudioError for a duration outside the configuration's limits, each widened by ``margin`` seconds."""
    low, high = corpus.min_duration, corpus.max_duration
    if not low - margin <= seconds <= high + margin:
        limits = f"{low}–{high} s (corpus.min_duration, corpus.max_duration)"
        raise AudioError("duration", path, f"{seconds:.2f} s is outside {limits}")


def check_rate(rate: int, path: Path) -> None:
    """Raise AudioError for an original recording of less than ``MIN_SOURCE_RATE``."""
    if rate < MIN_SOURCE_RATE:
        raise AudioError("sample rate", path, f"it has {rate} Hz, at least {MIN_SOURCE_RATE} are needed")


def check_header(seconds: float, path: Path, corpus: CorpusConfig) -> None:
    """Raise AudioError where the duration in a header is enough to reject an original recording."""
    # Trimming may shorten a long recording below the limit.
    usable = seconds if corpus.trim is None else min(seconds, corpus.max_duration)
    check_duration(usable, path, corpus, HEADER_TOLERANCE_SECONDS)


def converted_seconds(target: Path) -> float | None:
    """Seconds of a recording that an earlier call has converted; a damaged one is removed, to be converted again."""
    if not target.exists():
        return None
    try:
        return header(target)[1]
    except AudioError:
        target.unlink()
        return None


def converted_bandwidth(target: Path, convert: Callable[[], object]) -> float | None:
    """``recorded_bandwidth`` of a converted recording in Hz; a damaged one is removed, and ``convert`` called first."""
    try:
        return recorded_bandwidth(target)
    except AudioError:
        target.unlink(missing_ok=True)
        convert()
        return recorded_bandwidth(target)


def already_prepared(folder: Path, corpus: CorpusConfig) -> Manifest | None:
    """The manifest that an earlier call has completed in ``folder``; None where there is none.

    Raises CorpusError where a list of utterances, its own or a member's, is another one than that of the manifest, and
    where the user's own recordings have changed since.
    """
    if not index_of(folder).exists():
        return None
    _require_same_list(folder, corpus.utterances)
    require_same_sources(folder, corpus)
    for member in corpus.members:
        place, own = member_folder(folder, member.title), {"name": member.name, "root": member.root}
        _require_same_list(place, member.utterances)
        require_same_sources(place, corpus.model_copy(update=own))
    return Manifest.load(folder)


def member_folder(folder: Path, label: str) -> Path:
    """The folder of a member of the combined corpus in ``folder``."""
    return folder / "members" / label / "corpus"


def _require_same_list(folder: Path, utterances: str | None) -> None:
    settings = folder / "made.json"
    if not settings.exists() or (utterances and not list_path(utterances).exists()):  # then there is nothing to compare
        return
    known = json.loads(settings.read_text()).get("utterances_sha256")
    if known != (sha256(list_path(utterances)) if utterances else None):
        raise CorpusError(
            f"{folder} was prepared with another list of utterances than {utterances or 'none'} ({settings.name}): "
            "restore that list, or remove the run's folder corpus and prepare again"
        )


def made_with(audio: AudioConfig, corpus: CorpusConfig, **more: object) -> dict[str, object]:
    """The settings that determine a prepared corpus; those of a later version only where they are set."""
    unused = NOT_RECORDED | set(corpus.unused())
    if corpus.members:  # each has a record of its own
        more = more | {"members": [_member(member) for member in corpus.members]}
    if corpus.utterances:
        more = more | {"utterances_sha256": sha256(list_path(corpus.utterances))}
    return corpus.model_dump(mode="json", exclude=unused) | {"sample_rate": audio.sample_rate} | more


def _member(member: MemberConfig) -> dict[str, object]:
    return {"name": member.name, "label": member.label} | ({"speed": member.speed} if member.speed != 1 else {})


@contextmanager
def exclusive(folder: Path, made: dict[str, object]) -> Iterator[None]:
    """Lock the folder for this call, and check that its recordings have the same settings."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "made.json"
    text = json.dumps(made, indent=2) + "\n"
    try:
        with FileLock(folder / ".lock", timeout=0):
            if settings.exists() and settings.read_text() != text:
                raise CorpusError(
                    f"{folder} was begun with other settings ({settings.name}: {_differing(settings, made)}): "
                    "choose another, or remove it"
                )
            _sweep(folder)
            write_text(settings, text)
            yield
            _sweep(folder)
    except Timeout as error:
        raise CorpusError(f"another `thesis prepare` is running in {folder}: wait for it, or stop it") from error


def _differing(settings: Path, made: dict[str, object]) -> str:
    """The settings in which a recorded preparation differs, with both values."""
    try:
        before = flat(json.loads(settings.read_text()))
    except json.JSONDecodeError:
        return "damaged"
    now = flat(json.loads(json.dumps(made)))
    keys = [key for key in before | now if before.get(key) != now.get(key)]
    return "; ".join(f"{key} was {before.get(key)}, is {now.get(key)}" for key in keys)


def _sweep(folder: Path) -> None:
    """Remove the partial files of killed calls and lost workers."""
    for path in folder.rglob(".partial-*"):
        path.unlink(missing_ok=True)
