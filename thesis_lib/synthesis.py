"""The vocoder as people use it: weights, their configuration and one call.

Shapes: B batch, M mel bands, T frames, N = T * hop_length samples, S and E embedding sizes.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from thesis_lib import checkpoints, models
from thesis_lib.audio import LogMel, whole_frames
from thesis_lib.config import AudioConfig, GeneratorConfig
from thesis_lib.generator import Generator

UNIVERSAL = "hifigan-universal"


class Vocoder:
    """A generator ready for use: eval mode, weight norm folded, its mel beside it."""

    def __init__(self, generator: Generator, audio: AudioConfig, meta: dict, name: str = "unsaved") -> None:
        self.audio = audio
        self.name = name
        self.meta = meta
        self.log_mel = LogMel(audio)
        self.generator = generator.eval().requires_grad_(False)

    @property
    def sample_rate(self) -> int:
        """Hz"""
        return self.audio.sample_rate

    def parameters(self) -> int:
        """Number of weights, folded."""
        return sum(p.numel() for p in self.generator.parameters())

    @torch.inference_mode()
    def __call__(self, mel: Tensor, speaker: Tensor | None = None, emotion: Tensor | None = None) -> Tensor:
        """(B, M, T), (B, S), (B, E) -> (B, N). An embedding left out is the training set's mean."""
        condition = self.generator.condition
        speaker = condition.speaker_statistics.mean.expand(len(mel), -1) if speaker is None else speaker
        emotion = condition.emotion_statistics.mean.expand(len(mel), -1) if emotion is None else emotion
        return self.generator(mel, speaker, emotion).squeeze(1)

    def resynthesise(
        self, wav: np.ndarray, speaker: np.ndarray | None = None, emotion: np.ndarray | None = None
    ) -> np.ndarray:
        """(N,) -> log-mel -> (N,): the same length, zero-padded to whole frames inside."""
        mel = self.log_mel(torch.from_numpy(whole_frames(wav, self.audio.hop_length)).unsqueeze(0))
        vectors = [None if x is None else torch.tensor(x).unsqueeze(0) for x in (speaker, emotion)]
        return self(mel, *vectors)[0, : len(wav)].numpy()

    def save_pretrained(self, folder: Path) -> None:
        """config.json and model.safetensors, atomically."""
        checkpoints.save(folder, self.generator.state_dict(), self.meta)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> "Vocoder":
        """A folder that ``save_pretrained`` wrote, or "hifigan-universal".

        Raises CheckpointError for a wrong folder, ModelError when the published weights cannot be had.
        """
        if str(source) == UNIVERSAL:
            return cls._universal()
        tensors, meta = checkpoints.load(Path(source))
        try:
            audio = AudioConfig.model_validate(meta["audio"])
            config = GeneratorConfig.model_validate(meta["generator"])
            generator = Generator(audio, config, meta["speaker_dim"], meta["emotion_dim"]).fold_weight_norm()
            generator.load_state_dict(tensors, strict=True)
        except (KeyError, ValueError, RuntimeError) as error:
            raise checkpoints.CheckpointError(f"{source}: not a vocoder of this project ({error})") from error
        return cls(generator, audio, meta, str(source))

    @classmethod
    def _universal(cls) -> "Vocoder":
        """The published generator: its FiLM layers are the identity, so any embedding gives the same sound."""
        audio, config = AudioConfig(), GeneratorConfig()
        meta = {"speaker_dim": 192, "emotion_dim": 88, "speaker_encoder": "ecapa", "emotion_encoder": "egemaps"}
        generator = Generator(audio, config, meta["speaker_dim"], meta["emotion_dim"])
        generator.load_hifigan(universal_state())
        return cls(generator.fold_weight_norm(), audio, meta, UNIVERSAL)


def universal_state() -> dict[str, Tensor]:
    """The published generator's tensors under their official names."""
    path = models.fetch(UNIVERSAL) / "generator_universal.pth.tar"
    return torch.load(path, map_location="cpu", weights_only=True)["generator"]
