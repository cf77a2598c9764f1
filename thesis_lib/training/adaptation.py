"""Few-shot speaker adaptation: train a conversion vocoder for some minutes on recordings of one speaker.

The result is a run with a manifest, logs and checkpoints; interrupted, it continues from the last checkpoint. Each
segment of a recording is both the condition and the target. ``validation.adaptation`` measures the gain on test
speakers.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from thesis_lib.audio.bandwidth import limited_bandwidth
from thesis_lib.audio.files import AudioError, check_speech, read_audio, write_audio
from thesis_lib.config import Config, EncoderConfig
from thesis_lib.corpus.manifest import NOT_TRANSCRIBED, Manifest, Utterance, index_of
from thesis_lib.runs.commands import ADAPTED, RECORDINGS
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.training import train
from thesis_lib.utils.files import fingerprint, write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.synthesis import DEFAULT, Vocoder, adaptation_key

Segment = tuple[np.ndarray, float | None]  # (N,), and its recording's bandwidth in Hz where that is limited

SEGMENT_SECONDS = 4.0  # about; a training step cuts half a second from it, the encoders embed all of it
VALIDATION_EVERY = 5  # segments, of which one is for validation; at least one is
MIN_SPEECH_SECONDS = 2.0  # of all recordings together
KEY = "adaptation_key.txt"  # of the run: ``adaptation_key`` of what it was made from; earlier versions wrote none

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
    encoders: EncoderConfig | None = None,
    plugins: tuple[str, ...] = (),
    steps: int | None = None,
) -> Vocoder:
    """Adapt a vocoder to recordings of one speaker, of any format and language, by ``minutes`` of training.

    With ``steps``, training ends at that step if the minutes are not over before. With more minutes than before, a
    finished adaptation goes on; fewer are refused.

    ``folder`` becomes a run; the adapted vocoder is in its conversion/vocoder/. ``encoders`` has settings of the
    vocoder's encoders (``VocoderDescription.encoder_config``), ``plugins`` names the modules, imported already, that
    the vocoder needs. Raises AudioError for a recording that cannot be used; RunError for less than two seconds in all,
    a vocoder that takes the voice from its content, or a folder that was made from other recordings, or from the
    vocoder before it was trained again; ConfigError for a folder that holds another run; EncoderMismatchError where
    ``encoders`` names others than the vocoder's.
    """
    source = Vocoder.from_torch(vocoder)
    if not source.converts:
        raise RunError(f"{vocoder} takes the voice from its content and cannot be adapted: name a conversion vocoder")
    own = {"encoders": source.description.encoder_config(encoders).model_dump(), "plugins": plugins}
    limit = {} if steps is None else {"conversion.training.steps": steps}
    run = Run(folder, _config(source, vocoder, minutes).override(own | limit))
    segments = [segment for path in recordings for segment in _segments(path, source.sample_rate)]
    fingerprints = [fingerprint(path) for path in recordings]
    begun = run.begun_with.conversion.training.max_minutes or 0.0  # more minutes prolong the adaptation; the key stays
    listed, key = run.path / RECORDINGS, adaptation_key(recordings, vocoder, begun)
    if not index_of(run.path / "corpus").exists():
        both = zip(fingerprints, recordings, strict=True)
        write_text(listed, "".join(f"{digest}  {Path(path).absolute()}\n" for digest, path in both))
        write_text(run.path / KEY, key + "\n")
        _manifest(segments, run.path / "corpus", source.sample_rate).save()
    elif [line.split()[0] for line in listed.read_text(encoding="utf-8").splitlines()] != fingerprints:
        raise RunError(f"{run.path} was made from other recordings, and is left as it is: choose another folder")
    elif adapted_key(run.path) not in (None, key):
        raise RunError(
            f"{run.path} was made from {vocoder} before that was trained again, and is left as it is: choose another "
            "folder, or remove that one"
        )
    return train(run, "conversion", progress)


def adapted_key(folder: Path) -> str | None:
    """The ``adaptation_key`` of what a run of ``adapt`` was made from; None where none is recorded."""
    path = folder / KEY
    return path.read_text(encoding="utf-8").strip() if path.exists() else None


def _config(source: Vocoder, name: str, minutes: float) -> Config:
    recipe = {
        "content": source.content_config.model_dump(),
        "generator": source.description.generator.model_dump(),
        "training.warm_start": name,
        "training.max_minutes": minutes,
        **RECIPE,
    }
    return Config().override(
        {
            "profile": ADAPTED,
            "audio": source.audio.model_dump(),
            "corpus.name": "recordings",
            **{f"conversion.{key}": value for key, value in recipe.items()},
        }
    )


def _manifest(segments: list[Segment], folder: Path, rate: int) -> Manifest:
    """Write the segments; a manifest allows no speaker in two splits, so validation has a speaker name of its own."""
    total = sum(len(wav) for wav, _ in segments) / rate
    if total < MIN_SPEECH_SECONDS:
        raise RunError(f"{total:.1f} s of speech in all: give at least {MIN_SPEECH_SECONDS:.0f}, better a minute")
    if len(segments) == 1:
        wav, bandwidth = segments[0]
        segments = [(half, bandwidth) for half in np.array_split(wav, 2)]
    utterances = []
    for number, (wav, bandwidth) in enumerate(segments):
        name = f"wav/{number:04d}.wav"
        write_audio(folder / name, wav, rate)
        held_out = number % VALIDATION_EVERY == min(VALIDATION_EVERY, len(segments)) - 1
        utterances.append(
            Utterance(
                id=f"{number:04d}",
                split="validation" if held_out else "train",
                speaker="the voice, held out" if held_out else "the voice",
                source_audio=name,
                target_audio=name,
                source_text=NOT_TRANSCRIBED,
                target_text=NOT_TRANSCRIBED,
                source_duration=len(wav) / rate,
                target_duration=len(wav) / rate,
                target_bandwidth=bandwidth,
            )
        )
    return Manifest(folder, utterances)


def _segments(path: Path, rate: int) -> Iterator[Segment]:
    """Equal segments of about ``SEGMENT_SECONDS``; silent ones are left out. All have the recording's bandwidth."""
    wav, _ = read_audio(path, rate)
    check_speech(wav, rate, path)
    bandwidth = limited_bandwidth(wav, rate)
    for segment in np.array_split(wav, max(1, round(len(wav) / rate / SEGMENT_SECONDS))):
        try:
            check_speech(segment, rate, path)
        except AudioError as error:
            if error.reason != "silence":
                raise
            continue  # a pause in a recording with speech
        yield segment, bandwidth
