"""The vocoder as people use it: weights, their configuration and one call.

Shapes: B batch, C content channels, T frames, N = T * hop_length samples, S and E embedding sizes.
"""

import functools
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor

from thesis_lib import pretrained
from thesis_lib.audio.files import whole_frames
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, ContentConfig, EncoderConfig, GeneratorConfig, HifiganConfig
from thesis_lib.vocoder import checkpoints, hub
from thesis_lib.vocoder.content import Content, analyse
from thesis_lib.vocoder.generators import Generator, HifiganGenerator, build
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder, encoders_of
from thesis_lib.vocoder.streaming import ReceptiveField, Stream, streamed
from thesis_lib.vocoder.voice import MEAN_VOICE, Voice

UNIVERSAL = "hifigan-universal"
DEFAULT = "default"  # the weights in the package
DEFAULT_FOLDER = Path(__file__).parents[1] / "data" / DEFAULT


class Vocoder:
    """A generator ready for use: eval mode, weight norm folded, its content beside it."""

    def __init__(self, generator: Generator, meta: dict, name: str = "unsaved") -> None:
        self.name, self.meta = name, meta
        self.audio = AudioConfig.model_validate(meta["audio"])
        self.content_config = ContentConfig.model_validate(meta["content"])
        self.log_mel = LogMel(self.audio)
        self._content = Content(self.audio, self.content_config)
        self.generator = generator.eval().requires_grad_(False)

    @property
    def sample_rate(self) -> int:
        """Hz"""
        return self.audio.sample_rate

    @property
    def converts(self) -> bool:
        """Whether the voice has been taken out of its content, so that the condition must bring it."""
        return self.content_config.kind != "mel"

    @property
    def encoders(self) -> EncoderConfig:
        """The encoders that it was trained with, which have to make its condition."""
        return encoders_of(self.meta)

    def parameters(self) -> int:
        """Number of weights, folded."""
        return sum(p.numel() for p in self.generator.parameters())

    @torch.inference_mode()
    def __call__(
        self, content: Tensor, speaker: Tensor | None = None, emotion: Tensor | None = None, guidance: float = 1.0
    ) -> Tensor:
        """(B, C, T), (B, S), (B, E) -> (B, N). An embedding left out is the training set's mean."""
        condition = self.generator.condition
        speaker = condition.speaker_statistics.mean.expand(len(content), -1) if speaker is None else speaker
        emotion = condition.emotion_statistics.mean.expand(len(content), -1) if emotion is None else emotion
        return self.generator(content, speaker, emotion, guidance).squeeze(1)

    def content(self, wav: np.ndarray, level: float | None = None, spread: float | None = None) -> Tensor:
        """(N,) -> (1, C, T) of the recording, zero-padded to whole frames, its pitch moved (``Pitch.moved``)."""
        mel = self.log_mel(torch.from_numpy(whole_frames(wav, self.audio.hop_length)).unsqueeze(0))
        if not self.converts:
            return mel
        found = analyse(wav, self.log_mel, self.content_config)
        found = replace(found, pitch=found.pitch.moved(level, spread))
        return self._content(mel, [found], [0], None)

    def render(
        self, wav: np.ndarray, voice: Voice = MEAN_VOICE, guidance: float = 1.0, stretch: float = 1.0
    ) -> np.ndarray:
        """(N,) -> (N * stretch,): what the recording says, in the voice as far as this vocoder listens to it.

        The content is stretched before there is a waveform: pitch and timbre stay.
        """
        speaker, emotion = (None if x is None else torch.tensor(x)[None] for x in (voice.speaker, voice.emotion))
        content = self.content(wav, voice.pitch_level, voice.pitch_spread)
        length = round(len(wav) * stretch)
        if stretch != 1.0:
            frames = -(-length // self.audio.hop_length)
            content = torch.nn.functional.interpolate(content, frames, mode="linear", align_corners=False)
        return self(content, speaker, emotion, guidance)[0, :length].numpy()

    @functools.cached_property
    def receptive_field(self) -> ReceptiveField:
        """Frames that a frame of sound hears; ``after`` is the look-ahead of ``stream``."""
        return self.generator.receptive_field()

    def stream(
        self, pieces: Iterable[np.ndarray], voice: Voice = MEAN_VOICE, guidance: float = 1.0
    ) -> Iterator[np.ndarray]:
        """Content (C, T) in pieces of any length -> sound (n,) as early as it is certain: the same as of the whole.

        The output lies ``receptive_field.right`` frames behind the input; the rest comes at the end.
        ``streaming.MelStream`` turns samples into pieces of a log-mel. Memory does not grow with the length.
        """
        yield from streamed(self._stream(voice, guidance), pieces)

    @torch.inference_mode()
    def _stream(self, voice: Voice, guidance: float) -> Stream:
        condition = self.generator.condition
        given = ((voice.speaker, condition.speaker_statistics), (voice.emotion, condition.emotion_statistics))
        vectors = (statistics.mean if x is None else torch.tensor(x) for x, statistics in given)
        c = condition(*(x.unsqueeze(0) for x in vectors), guidance)

        @torch.inference_mode()
        def synthesise(content: np.ndarray, origin: np.ndarray) -> np.ndarray:
            reduced = self.generator.reduce(torch.from_numpy(content))
            return self.generator.synthesise(reduced, c, torch.from_numpy(origin)).flatten().numpy()

        return Stream(synthesise, self.receptive_field, self.audio, self.generator.excited)

    def save_pretrained(self, folder: Path, half: bool = False) -> None:
        """config.json, model.safetensors and README.md (the model card), atomically.

        With ``half`` matrices are float16; statistics and biases, which are small, stay as they are.
        """
        tensors = self.generator.state_dict()
        if half:
            tensors = {name: x.half() if x.dim() > 1 else x for name, x in tensors.items()}
        checkpoints.save(folder, tensors, self.meta, {"README.md": hub.card(self.meta)})

    def push_to_hub(self, repository: str, private: bool = False) -> str:
        """Publish as "owner/name" on the model hub; returns the address. CheckpointError when it refuses."""
        with tempfile.TemporaryDirectory() as work:
            self.save_pretrained(Path(work) / "vocoder")
            return hub.upload(Path(work) / "vocoder", repository, private)

    @classmethod
    def from_pretrained(cls, source: str | Path, revision: str | None = None) -> "Vocoder | OnnxVocoder":
        """ "default" (the package's own weights), "hifigan-universal", a folder, or "owner/name" on the model hub.

        A folder is one that ``save_pretrained`` wrote. "default" and "hifigan-universal" always mean these. An .onnx
        file that ``thesis export`` wrote gives an ``OnnxVocoder``, which needs no torch.
        ``revision`` pins a commit of the hub's repository. Raises CheckpointError for a wrong folder or repository,
        ModelError when the published weights cannot be had.
        """
        onnx = str(source).endswith(".onnx")
        return OnnxVocoder.from_pretrained(source) if onnx else cls.from_torch(source, revision)

    @classmethod
    def from_torch(cls, source: str | Path, revision: str | None = None) -> "Vocoder":
        """As ``from_pretrained``, for who needs the weights: to train, change, export or render content of torch's.

        An .onnx file has none that torch could use: CheckpointError.
        """
        if str(source) == UNIVERSAL:
            return cls._universal()
        if str(source).endswith(".onnx"):
            raise checkpoints.CheckpointError(
                f"{source}: torch's weights are needed, which an ONNX file has not: name the vocoder it came from"
            )
        folder = DEFAULT_FOLDER if str(source) == DEFAULT else Path(source)
        if hub.is_repository(str(source)):
            folder = hub.download(str(source), revision)
        tensors, meta = checkpoints.load(folder)
        try:
            # First on no device: a configuration that fits other weights is refused before it asks for memory.
            with torch.device("meta"):
                _generator(meta).fold_weight_norm().load_state_dict(tensors, strict=True, assign=True)
            generator = _generator(meta).fold_weight_norm()
            generator.load_state_dict(tensors, strict=True)
            return cls(generator, meta, str(source))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise checkpoints.CheckpointError(f"{source}: not a vocoder of this project ({error})") from error

    @classmethod
    def untrained(cls, meta: dict, seed: int = 0) -> "Vocoder":
        """A vocoder as training would begin it without a warm start: the control of every claim about training."""
        torch.manual_seed(seed)
        return cls(_generator(meta).fold_weight_norm(), meta, "untrained")

    @classmethod
    def _universal(cls) -> "Vocoder":
        """The published generator: its FiLM layers are the identity, so any embedding gives the same sound."""
        meta = {
            "task": "resynthesis",
            "audio": AudioConfig().model_dump(),
            "content": ContentConfig().model_dump(),
            "generator": HifiganConfig().model_dump(),
            "speaker_dim": 192,
            "emotion_dim": 88,
            "speaker_encoder": "ecapa",
            "emotion_encoder": "egemaps",
        }
        generator = cast(HifiganGenerator, _generator(meta))
        generator.load_hifigan(universal_state())
        return cls(generator.fold_weight_norm(), meta, UNIVERSAL)


def _generator(meta: dict) -> Generator:
    audio, content = AudioConfig.model_validate(meta["audio"]), ContentConfig.model_validate(meta["content"])
    config = TypeAdapter(GeneratorConfig).validate_python(meta["generator"])
    return build(audio, content, config, meta["speaker_dim"], meta["emotion_dim"])


def universal_state() -> dict[str, Tensor]:
    """The published generator's tensors under their official names."""
    path = pretrained.fetch(UNIVERSAL) / "generator_universal.pth.tar"
    return torch.load(path, map_location="cpu", weights_only=True)["generator"]
