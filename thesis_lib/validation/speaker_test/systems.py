"""The systems of the speaker test: a vocoder, natural recordings, and trivial systems to compare with."""

from collections.abc import Callable

import numpy as np

from thesis_lib.audio.files import read_audio
from thesis_lib.audio.loudness import as_loud_as, limited
from thesis_lib.audio.pitch import PitchError, track
from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import Encoder, embed
from thesis_lib.utils.parallel import map_on_cores
from thesis_lib.validation.evaluation import Columns, System
from thesis_lib.validation.speaker_test.trials import OWN_RECORDING
from thesis_lib.validation.speaker_test.world import towards
from thesis_lib.validation.swap import SwapSpeaker, SwapSystem, Trial
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

TrialSystem = System[Trial, np.ndarray]

NATURAL = "natural recording"
UNCHANGED, MEAN_SPEAKER = "TTS unchanged", "mean speaker, target's F0"
WORLD, NEAREST = "WORLD, F0 and formants", "nearest TTS voice"
TRIVIAL = (UNCHANGED, MEAN_SPEAKER, WORLD, NEAREST)


class BundledVoices:
    """The bundled synthetic voices outside the test split, to choose the nearest one from by an encoder."""

    def __init__(self, encoder: Encoder, rate: int) -> None:
        self.rate = rate
        rows = mini.table(CorpusConfig(name="mini"))
        rows = rows[rows.split != "test"]
        self.ids = {voice: part.id.tolist() for voice, part in rows.groupby("voice", sort=False)}
        units = list(map_on_cores(lambda voice: embed(encoder, self.recording(voice, 0), rate), self.ids))
        self._units = np.stack(units) / np.linalg.norm(units, axis=1, keepdims=True)

    def recording(self, voice: str, number: int) -> np.ndarray:
        """(N,) the English of one of the voice's sentences, in turn."""
        ids = self.ids[voice]
        return read_audio(mini.bundle() / "audio" / f"{ids[number % len(ids)]}.en.opus", self.rate)[0]

    def nearest(self, speaker: np.ndarray) -> str:
        """The voice with the largest cosine to an embedding (S,) by the same encoder."""
        return list(self.ids)[int(np.argmax(self._units @ speaker))]


def speaker_test_systems(name: str, vocoder: Vocoder, encoder: Encoder) -> list[TrialSystem]:
    """The vocoder under its name, and ``TRIVIAL``; ``encoder`` is that of the condition.

    The mean speaker is the vocoder's, with the target's log-F0 median. The nearest TTS voice is the bundled voice with
    the largest cosine to the condition; it speaks other sentences.
    """
    ours, rate = SwapSystem("conversion", name, vocoder), vocoder.sample_rate
    voices = BundledVoices(encoder, rate)

    def mean_speaker(trial: Trial) -> np.ndarray:
        return ours.render(trial.content.content, Voice(log_f0_median=trial.target.voice.log_f0_median))

    def nearest(trial: Trial) -> np.ndarray:
        return voices.recording(voices.nearest(trial.target.voice.vectors()[0]), trial.number)

    return [
        _system(name, lambda trial: ours.render(trial.content.content, trial.target.voice)),
        _system(UNCHANGED, lambda trial: trial.content.content),
        _system(MEAN_SPEAKER, mean_speaker),
        _system(WORLD, lambda trial: _world(trial, vocoder.audio)),
        _system(NEAREST, nearest),
    ]


def natural_about(speaker: SwapSpeaker) -> Columns:
    """The columns that identify a natural recording among the outputs."""
    return {
        "target_speaker": speaker.name,
        "content": OWN_RECORDING,
        "target_sex": speaker.sex,
        "content_sex": "",
        "semitones": np.nan,
        "system": NATURAL,
    }


def _world(trial: Trial, audio: AudioConfig) -> np.ndarray:
    """(N,) the content moved by WORLD to the target's log-F0 median. PitchError where one of them is not voiced."""
    content, target = trial.content.content, trial.target.voice.log_f0_median
    if target is None:
        raise PitchError(f"the condition of {trial.target.name} is not voiced: use another recording")
    rate = audio.sample_rate
    moved = towards(content, rate, track(content, audio).range.log_f0_median, target)
    return limited(as_loud_as(moved, content, rate, rate), rate)


def _system(name: str, render: Callable[[Trial], np.ndarray]) -> TrialSystem:
    return System(name, render, about={"system": name})
