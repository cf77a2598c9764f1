"""The vocoder in torch: weights, their description, and one call.

Shapes: B batch, C content channels, T frames, N = T * hop_length samples, S and E embedding sizes.
"""

import functools
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from thesis_lib.audio.mel import LogMel
from thesis_lib.utils.errors import one_line
from thesis_lib.vocoder import checkpoints, hub, sources
from thesis_lib.vocoder.description import DescriptionError, VocoderDescription
from thesis_lib.vocoder.devices import DeviceError, available_device
from thesis_lib.vocoder.generators import Generator, HifiganGenerator, build_generator
from thesis_lib.vocoder.generators.base import GeneratorError
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder
from thesis_lib.vocoder.rendering import BaseVocoder
from thesis_lib.vocoder.sources import DEFAULT, RELEASED, SMALL, UNIVERSAL, adaptation_key, vocoder_key
from thesis_lib.vocoder.streaming import ReceptiveField, Stream, streamed
from thesis_lib.vocoder.voice import MEAN_VOICE, Voice

__all__ = [
    "DEFAULT",
    "RELEASED",
    "SMALL",
    "UNIVERSAL",
    "DeviceError",
    "Vocoder",
    "adaptation_key",
    "universal_state",
    "vocoder_key",
]

Description = VocoderDescription | Mapping[str, Any]  # a mapping is validated: DescriptionError names a wrong key


class Vocoder(BaseVocoder):
    """A generator in eval mode with weight norm folded, its description and its content features.

    The condition is made by the encoders of ``description``, which ``description.check_encoders`` compares.
    """

    def __init__(self, generator: Generator, description: Description, name: str = "unsaved") -> None:
        self.name, self.description = name, VocoderDescription.of(description)
        self.log_mel = LogMel(self.audio)
        self.generator = generator.eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.generator.condition.neutral.device

    def to(self, device: str | torch.device) -> "Vocoder":
        """Move the weights to "cpu", "cuda" or "cuda:1"; returns itself. DeviceError where there is no such device."""
        self.generator.to(available_device(device))
        return self

    @property
    def mean_emotion(self) -> np.ndarray:
        """The training set's mean emotion embedding (E,)."""
        return self.generator.condition.emotion_statistics.mean.cpu().numpy()

    def parameters(self) -> int:
        """Number of weights, weight norm folded."""
        return sum(p.numel() for p in self.generator.parameters())

    @torch.inference_mode()
    def __call__(
        self, content: Tensor, speaker: Tensor | None = None, emotion: Tensor | None = None, guidance: float = 1.0
    ) -> Tensor:
        """(B, C, T), (B, S), (B, E) on any device -> (B, N) on the vocoder's.

        An embedding left out is the training set's mean. ``guidance`` is the strength of the condition: 0 none, 1 as
        trained (classifier-free guidance, arXiv:2207.12598).
        """
        condition, content = self.generator.condition, content.to(self.device)
        speaker = condition.speaker_statistics.mean.expand(len(content), -1) if speaker is None else speaker
        emotion = condition.emotion_statistics.mean.expand(len(content), -1) if emotion is None else emotion
        return self.generator(content, speaker.to(self.device), emotion.to(self.device), guidance).squeeze(1)

    def content(self, wav: np.ndarray, log_f0_median: float | None = None, log_f0_std: float | None = None) -> Tensor:
        """``features`` as a tensor (1, C, T), on the CPU."""
        return torch.from_numpy(self.features(wav, log_f0_median, log_f0_std))

    def samples(self, content: np.ndarray, voice: Voice = MEAN_VOICE, guidance: float = 1.0) -> np.ndarray:
        """Content (1, C, T) -> (N,) float32, with the voice's embeddings."""
        speaker, emotion = (None if x is None else torch.tensor(x)[None] for x in (voice.speaker, voice.emotion))
        return self(torch.from_numpy(content), speaker, emotion, guidance)[0].cpu().numpy()

    @functools.cached_property
    def receptive_field(self) -> ReceptiveField:
        """Input frames that an output frame depends on, measured; ``right`` is the look-ahead of ``stream``.

        Raises GeneratorError for a generator with a global operation.
        """
        return self.generator.receptive_field()

    def stream(
        self, pieces: Iterable[np.ndarray], voice: Voice = MEAN_VOICE, guidance: float = 1.0
    ) -> Iterator[np.ndarray]:
        """Content (C, T) in pieces of any length -> samples (n,), as ``BaseVocoder.stream``."""
        yield from streamed(self._stream(voice, guidance), pieces)

    @torch.inference_mode()
    def _stream(self, voice: Voice, guidance: float) -> Stream:
        condition = self.generator.condition
        given = ((voice.speaker, condition.speaker_statistics), (voice.emotion, condition.emotion_statistics))
        vectors = (statistics.mean if x is None else torch.tensor(x).to(self.device) for x, statistics in given)
        c = condition(*(x.unsqueeze(0) for x in vectors), guidance)

        @torch.inference_mode()
        def synthesise(content: np.ndarray, origin: np.ndarray) -> np.ndarray:
            reduced = self.generator.reduce(torch.from_numpy(content).to(self.device))
            place = torch.from_numpy(origin).to(self.device)
            return self.generator.synthesise(reduced, c, place).flatten().cpu().numpy()

        return Stream(synthesise, self.receptive_field, self.audio, self.generator.excited)

    def save_pretrained(self, folder: Path, half: bool = False) -> None:
        """Write config.json, model.safetensors and README.md (the model card), atomically.

        The description gets the measured receptive field. With ``half`` matrices are float16; statistics and biases,
        which are small, stay float32. CheckpointError where the folder cannot be written.
        """
        tensors = {name: x.cpu() for name, x in self.generator.state_dict().items()}
        if half:
            tensors = {name: x.half() if x.dim() > 1 else x for name, x in tensors.items()}
        try:
            field: ReceptiveField | None = self.receptive_field
        except GeneratorError:  # a global operation: such a vocoder renders whole recordings only
            field = None
        self.description = self.description.model_copy(update={"receptive_field": field})
        checkpoints.save(folder, tensors, self.meta, {"README.md": hub.card(self.description)})

    def push_to_hub(self, repository: str, private: bool = False) -> str:
        """Publish as "owner/name" on the model hub; returns the address. CheckpointError when it refuses."""
        with tempfile.TemporaryDirectory() as work:
            self.save_pretrained(Path(work) / "vocoder")
            return hub.upload(Path(work) / "vocoder", repository, private)

    @classmethod
    def from_pretrained(cls, source: str | Path, revision: str | None = None) -> "Vocoder | OnnxVocoder":
        """Load "default" or "small" (the released weights), "hifigan-universal", a folder, or "owner/name" on the hub.

        A folder is one that ``save_pretrained`` wrote. The three names always mean these. An .onnx file that
        ``thesis export`` wrote gives an ``OnnxVocoder``, which needs no torch.
        ``revision`` pins a commit of the hub's repository. Raises CheckpointError for a wrong folder or repository,
        ModelError when the published weights cannot be had.
        """
        return OnnxVocoder.from_pretrained(source) if sources.is_onnx(source) else cls.from_torch(source, revision)

    @classmethod
    def from_torch(
        cls, source: str | Path, revision: str | None = None, device: str | torch.device = "cpu"
    ) -> "Vocoder":
        """Load as ``from_pretrained`` does, in torch, on a device: to train, change, export or analyse content.

        Raises what ``from_pretrained`` raises, CheckpointError for an .onnx file, which has no torch weights, and
        DeviceError.
        """
        device = available_device(device)
        if str(source) == UNIVERSAL:
            return cls._universal().to(device)
        tensors, meta = checkpoints.load(sources.weights_folder(source, revision))
        try:
            description = VocoderDescription.of(meta)
            # First on the meta device: a configuration that fits other weights is refused before it takes memory.
            with torch.device("meta"):
                _generator(description).fold_weight_norm().load_state_dict(tensors, strict=True, assign=True)
            generator = _generator(description).fold_weight_norm()
            generator.load_state_dict(tensors, strict=True)
            return cls(generator, description, str(source)).to(device)
        except (DescriptionError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise checkpoints.CheckpointError(f"{source}: not a vocoder of this project ({one_line(error)})") from error

    @classmethod
    def untrained(cls, description: Description, seed: int = 0) -> "Vocoder":
        """A vocoder with the random weights that training begins with without a warm start: an untrained control."""
        torch.manual_seed(seed)
        description = VocoderDescription.of(description).model_copy(update={"receptive_field": None})
        return cls(_generator(description).fold_weight_norm(), description, "untrained")

    @classmethod
    def _universal(cls) -> "Vocoder":
        """The published generator: its FiLM layers are the identity, so the embeddings do not change the output."""
        description = sources.universal_description()
        generator = cast(HifiganGenerator, _generator(description))
        generator.load_hifigan(universal_state())
        return cls(generator.fold_weight_norm(), description, UNIVERSAL)


def _generator(description: VocoderDescription) -> Generator:
    sizes = description.speaker_dim, description.emotion_dim
    return build_generator(description.audio, description.content, description.generator, *sizes)


def universal_state() -> dict[str, Tensor]:
    """The published generator's tensors under their official names. ModelError when they cannot be had."""
    return {name: torch.tensor(array) for name, array in sources.universal_arrays().items()}
