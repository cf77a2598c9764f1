"""The checks and the processing that every recording of every corpus passes, and the folder of a prepared corpus."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from thesis_lib.audio.files import AudioError, check_speech, read_audio, resample
from thesis_lib.audio.loudness import at_loudness, limited
from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpus.cvss_t import CorpusError
from thesis_lib.utils.files import sha256, write_text

# Of the configuration, what does not change a recording or the choice of recordings.
NOT_RECORDED = {"root", "cvss_url", "covost_url", "common_voice_page", "utterances", "accepted_licences"}


def converted(path: Path, sample_rate: int, corpus: CorpusConfig) -> np.ndarray:
    """Read a recording as (N,) samples at ``sample_rate``, trimmed and normalised where the configuration says so.

    Raises AudioError where it cannot be read, is silent, clipped or not finite, or is too short or too long.
    """
    # The resampler is exact to 20 bits, the file has 16.
    wav = resample(*read_audio(path), sample_rate, "HQ")
    if corpus.trim is not None and len(wav):
        from librosa.effects import trim  # its import takes seconds

        wav = trim(wav, top_db=corpus.trim)[0]
    if corpus.loudness is not None:
        wav = limited(at_loudness(wav, corpus.loudness, sample_rate), sample_rate)
    check_speech(wav, sample_rate, path)
    check_duration(len(wav) / sample_rate, path, corpus)
    return wav


def check_duration(seconds: float, path: Path, corpus: CorpusConfig, margin: float = 0.0) -> None:
    """Raise AudioError for a duration outside the configuration's limits, each widened by ``margin`` seconds."""
    low, high = corpus.min_duration, corpus.max_duration
    if not low - margin <= seconds <= high + margin:
        limits = f"{low}–{high} s (corpus.min_duration, corpus.max_duration)"
        raise AudioError("duration", path, f"{seconds:.2f} s is outside {limits}")


def made_with(audio: AudioConfig, corpus: CorpusConfig, **more: object) -> dict[str, object]:
    """The settings that determine a prepared corpus; those of a later version only where they are set."""
    unused = NOT_RECORDED | set(corpus.unused())
    if corpus.members:  # each has a record of its own
        more = more | {"members": [member.model_dump(include={"name", "label"}) for member in corpus.members]}
    if corpus.utterances:
        more = more | {"utterances_sha256": sha256(Path(corpus.utterances))}
    return corpus.model_dump(mode="json", exclude=unused) | {"sample_rate": audio.sample_rate} | more


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
                    f"{folder} was begun with other settings ({settings.name}): choose another, or remove it"
                )
            _sweep(folder)
            write_text(settings, text)
            yield
            _sweep(folder)
    except Timeout as error:
        raise CorpusError(f"another `thesis prepare` is running in {folder}: wait for it, or stop it") from error


def _sweep(folder: Path) -> None:
    """Remove the partial files of killed calls and lost workers."""
    for path in folder.rglob(".partial-*"):
        path.unlink(missing_ok=True)
