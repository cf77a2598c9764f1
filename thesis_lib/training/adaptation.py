"""Few-shot adaptation: a conversion vocoder goes on training on some recordings of one voice, for minutes.

The run is like any other: it has a manifest, logs and checkpoints, and interrupted it goes on where it was. Every
piece of a recording is both what conditions the vocoder and what it has to say. ``adaptation_test`` measures what
that adds, on test voices.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import AudioError, check_speech, read_audio, write_audio
from thesis_lib.config import Config
from thesis_lib.corpus.manifest import Manifest, Utterance, index_of
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.training import train
from thesis_lib.utils.files import fingerprint, write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder

PIECE = 4.0  # s, about; training sees half a second of it at a time, the encoders all of it
HELD_OUT = 5  # one piece in so many, and at least one, is kept to see whether training helps
LEAST = 2.0  # s of speech in all

RECIPE = {
    "losses.adversarial": 0.0,
    "losses.feature_matching": 0.0,
    "losses.stft": 0.0,
    "losses.temporal": 0.0,
    "losses.speaker": 0.0,
    "training.batch_size": 8,
    "training.segment_frames": 48,
    "training.learning_rate": 1e-4,
    "training.schedule": "constant",
    "training.checkpoint_every": 50,
    "training.export": "best",
}


def adapt(
    recordings: Sequence[Path],
    folder: str | Path,
    vocoder: str = DEFAULT,
    minutes: float = 3.0,
    progress: Progress = silent,
) -> Vocoder:
    """Recordings of one voice, of any format and language -> the vocoder after ``minutes`` of training on them.

    ``folder`` becomes a run; the result is in its conversion/vocoder/. Raises AudioError for a recording that cannot
    be used, RunError for fewer than two seconds in all, a vocoder that takes its voice from the content, or a folder
    that was made of other recordings, and ConfigError for one that holds another run.
    """
    source = Vocoder.from_torch(vocoder)
    if not source.converts:
        raise RunError(f"{vocoder} takes the voice from its content and cannot learn another: name one that converts")
    run = Run(folder, _config(source, vocoder, minutes))
    pieces = [piece for path in recordings for piece in _pieces(path, source.sample_rate)]
    marks = "".join(f"{fingerprint(path)}  {Path(path).name}\n" for path in recordings)
    listed = run.path / "recordings.txt"
    if not index_of(run.path / "corpus").exists():
        write_text(listed, marks)
        _manifest(pieces, run.path / "corpus", source.sample_rate).save()
    elif listed.read_text() != marks:
        raise RunError(f"{run.path} was made of other recordings, and they stay: choose another folder")
    return train(run, "conversion", progress)


def _config(source: Vocoder, name: str, minutes: float) -> Config:
    recipe = {
        "content": source.content_config.model_dump(),
        "generator": source.meta["generator"],
        "training.warm_start": name,
        "training.max_minutes": minutes,
        **RECIPE,
    }
    return Config().override(
        {
            "profile": "adapt",
            "audio": source.audio.model_dump(),
            "corpus.name": "recordings",
            "encoders": source.encoders.model_dump(),
            **{f"conversion.{key}": value for key, value in recipe.items()},
        }
    )


def _manifest(pieces: list[np.ndarray], folder: Path, rate: int) -> Manifest:
    """What is held out counts as another speaker's, as a manifest wants it."""
    total = sum(len(wav) for wav in pieces) / rate
    if total < LEAST:
        raise RunError(f"{total:.1f} s of speech in all: give at least {LEAST:.0f}, better a minute")
    if len(pieces) == 1:
        pieces = np.array_split(pieces[0], 2)
    utterances = []
    for number, wav in enumerate(pieces):
        name = f"wav/{number:04d}.wav"
        write_audio(folder / name, wav, rate)
        held_out = number % HELD_OUT == min(HELD_OUT, len(pieces)) - 1
        utterances.append(
            Utterance(
                id=f"{number:04d}",
                split="validation" if held_out else "train",
                speaker="the voice, held out" if held_out else "the voice",
                source_audio=name,
                target_audio=name,
                source_text="(not transcribed)",
                target_text="(not transcribed)",
                source_duration=len(wav) / rate,
                target_duration=len(wav) / rate,
            )
        )
    return Manifest(folder, utterances)


def _pieces(path: Path, rate: int) -> Iterator[np.ndarray]:
    """Equal parts of about ``PIECE`` seconds; those in which nobody speaks are passed over."""
    wav, _ = read_audio(path, rate)
    check_speech(wav, rate, path)
    for part in np.array_split(wav, max(1, round(len(wav) / rate / PIECE))):
        try:
            check_speech(part, rate, path)
        except AudioError as error:
            if error.reason != "silence":
                raise
            continue  # a pause; the recording as a whole has speech in it
        yield part
