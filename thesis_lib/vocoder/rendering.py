"""Methods that the torch and ONNX vocoders share.

Shapes: C content channels, T frames, N = T * hop_length samples, E emotion size.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np

from thesis_lib.audio.pitch import Movement
from thesis_lib.config import AudioConfig, ContentConfig, EncoderConfig
from thesis_lib.vocoder.content import recording_content, stretched
from thesis_lib.vocoder.description import VocoderDescription
from thesis_lib.vocoder.streaming import ReceptiveField
from thesis_lib.vocoder.voice import MEAN_VOICE, Voice


class BaseVocoder(ABC):
    """A vocoder with a description: it renders recordings and streams content."""

    name: str
    description: VocoderDescription

    @property
    def meta(self) -> dict[str, Any]:
        """The description as the dictionary that is stored with the weights; read-only: a change has no effect."""
        return self.description.to_dict()

    @property
    def audio(self) -> AudioConfig:
        """The frames of its content and its sample rate."""
        return self.description.audio

    @property
    def content_config(self) -> ContentConfig:
        """Its content features."""
        return self.description.content

    @property
    def sample_rate(self) -> int:
        """Sample rate, in Hz."""
        return self.audio.sample_rate

    @property
    def converts(self) -> bool:
        """Whether the content carries no speaker, so that the speaker embedding determines the output voice."""
        return self.description.converts

    @property
    def encoders(self) -> EncoderConfig:
        """The settings that load the encoders that it was trained with. EncoderMismatchError for an unknown one."""
        return self.description.encoder_config()

    @property
    @abstractmethod
    def device(self) -> Any:
        """Device of the weights."""

    @abstractmethod
    def to(self, device: Any) -> Self:
        """Move it to a device; returns itself. DeviceError where there is no such device."""

    @property
    @abstractmethod
    def mean_emotion(self) -> np.ndarray:
        """The training set's mean emotion embedding (E,)."""

    @property
    @abstractmethod
    def receptive_field(self) -> ReceptiveField:
        """Input frames before and after an output frame that it depends on; ``right`` is the look-ahead."""

    @abstractmethod
    def samples(self, content: np.ndarray, voice: Voice = MEAN_VOICE, guidance: float = 1.0) -> np.ndarray:
        """Content (1, C, T) -> (N,) float32, with the voice's embeddings."""

    @abstractmethod
    def stream(
        self, pieces: Iterable[np.ndarray], voice: Voice = MEAN_VOICE, guidance: float = 1.0
    ) -> Iterator[np.ndarray]:
        """Content (C, T) in pieces of any length -> samples (n,), the same as from the whole content at once.

        The output is ``receptive_field.right`` frames behind the input; the rest comes at the end.
        ``streaming.MelStream`` turns samples into pieces of a log-mel. Memory does not grow with the length.
        """

    def features(
        self,
        wav: np.ndarray,
        log_f0_median: float | None = None,
        log_f0_std: float | None = None,
        movement: Movement | None = None,
    ) -> np.ndarray:
        """(N,) -> content features (1, C, T) of the recording, zero-padded to whole frames.

        Its F0 is moved to the log-F0 median, standard deviation and movement (``Pitch.moved``); None keeps the
        recording's. Raises ModelError where the recogniser of phonetic content cannot be loaded.
        """
        return recording_content(wav, self.audio, self.content_config, log_f0_median, log_f0_std, movement)[None]

    def render(
        self, wav: np.ndarray, voice: Voice = MEAN_VOICE, guidance: float = 1.0, stretch: float = 1.0
    ) -> np.ndarray:
        """(N,) -> (N * stretch,) float32: the recording's content, synthesised with the voice's embeddings and F0.

        The content features are stretched before synthesis, so pitch and timbre stay.
        """
        content = self.features(wav, voice.log_f0_median, voice.log_f0_std, voice.movement)
        length = round(len(wav) * stretch)
        if stretch != 1.0:
            content = stretched(content[0], -(-length // self.audio.hop_length))[None]
        return self.samples(content, voice, guidance)[:length]
