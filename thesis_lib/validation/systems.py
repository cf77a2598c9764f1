"""The systems of the validation: the run's vocoders, and references to compare them with."""

import functools
from dataclasses import dataclass

import numpy as np
import torch

from thesis_lib import pretrained
from thesis_lib.audio.files import read_audio, whole_frames
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, Task
from thesis_lib.corpus.manifest import Manifest, Utterance
from thesis_lib.runs.embed import Embeddings, voice_of
from thesis_lib.utils.load_librosa import load_librosa
from thesis_lib.validation.evaluation import System
from thesis_lib.validation.metrics import MetricError, Recording
from thesis_lib.vocoder.synthesis import UNIVERSAL, Vocoder
from thesis_lib.vocoder.voice import Voice

GROUND_TRUTH, PUBLISHED, INVERSION = "ground truth", "HiFi-GAN universal", "Griffin-Lim"
SAME, OTHER = "same speaker", "other speaker"
OURS = {"resynthesis": "ours, resynthesis", "conversion": "ours, conversion"}


@dataclass(frozen=True)
class ValidationItem:
    """A test utterance with the inputs of the systems."""

    utterance: Utterance
    reference: Recording  # its English
    source: Recording  # its Spanish
    voice: Voice  # of its Spanish

    @classmethod
    def load(
        cls,
        utterance: Utterance,
        manifest: Manifest,
        embeddings: Embeddings,
        audio: AudioConfig,
        seconds: float | None = None,
    ) -> "ValidationItem":
        """Read the recordings, of the English the first ``seconds``. AudioError names a file that cannot be used."""
        english, spanish = (read_audio(path)[0] for path in (manifest.target(utterance), manifest.source(utterance)))
        if seconds is not None:
            english = english[: int(seconds * audio.sample_rate)]
        reference, source = (Recording(wav, audio.sample_rate, audio) for wav in (english, spanish))
        return cls(utterance, reference, source, voice_of(utterance, manifest, embeddings, audio))

    @property
    def wav(self) -> np.ndarray:
        """(N,) samples of its English."""
        return self.reference.wav


ValidationSystem = System[ValidationItem, np.ndarray]  # ``render`` gives (N',) for an item


def vocoder_system(name: str, vocoder: Vocoder) -> ValidationSystem:
    """A system that renders the utterance's English in the voice of its Spanish."""
    return System(name, lambda item: vocoder.render(item.wav, item.voice))


def systems_of(
    vocoders: dict[Task, Vocoder], manifest: Manifest, tests: list[Utterance]
) -> dict[str, ValidationSystem]:
    """All systems by name; the published vocoder only where its weights are cached.

    ``same speaker`` and ``other speaker`` are further recordings of the test split, not rendered: the ceiling and the
    floor of every similarity.
    """
    log_mel = next(iter(vocoders.values())).log_mel
    found: list[ValidationSystem] = [
        System(GROUND_TRUTH, lambda item: item.wav),
        System(SAME, lambda item: _another(item.utterance, manifest, tests, same=True), has_words=False),
        System(OTHER, lambda item: _another(item.utterance, manifest, tests, same=False), has_words=False),
        System(INVERSION, lambda item: griffin_lim(item.wav, log_mel)),
    ]
    if pretrained.is_cached(UNIVERSAL):
        published = Vocoder.from_torch(UNIVERSAL)
        found.append(System(PUBLISHED, lambda item: published.render(item.wav)))
    for task, vocoder in vocoders.items():
        found.append(vocoder_system(OURS[task], vocoder))
    return {system.name: system for system in found}


def _another(utterance: Utterance, manifest: Manifest, tests: list[Utterance], same: bool) -> np.ndarray:
    """The next English recording of the split after this one, of the same or of another speaker."""
    here = tests.index(utterance)
    for other in tests[here + 1 :] + tests[:here]:
        if (other.speaker == utterance.speaker) == same:
            return read_audio(manifest.target(other))[0]
    raise MetricError(f"the test split holds no other recording of {'this' if same else 'another'} speaker")


def griffin_lim(wav: np.ndarray, log_mel: LogMel, iterations: int = 60) -> np.ndarray:
    """(N,) -> (N,): the log-mel turned back without a network (Griffin & Lim 1984; momentum 0.99, Perraudin 2013).

    The filterbank is inverted by its pseudo-inverse, negative magnitudes are set to zero.
    """
    audio = log_mel.config
    padded = whole_frames(wav, audio.hop_length)
    mel = log_mel(torch.from_numpy(padded)[None])[0]
    magnitude = (_inverse(log_mel) @ mel.exp()).clamp(min=0).numpy()
    # librosa's frames are centred on multiples of the hop, ours lie half a hop later.
    shift = audio.hop_length // 2
    found = load_librosa().griffinlim(
        magnitude,
        n_iter=iterations,
        hop_length=audio.hop_length,
        win_length=audio.win_length,
        n_fft=audio.n_fft,
        length=len(padded) - shift,
        random_state=0,
    )
    return np.pad(found, (shift, 0))[: len(wav)].astype(np.float32)


@functools.cache
def _inverse(log_mel: LogMel) -> torch.Tensor:
    return torch.linalg.pinv(log_mel.filters)
