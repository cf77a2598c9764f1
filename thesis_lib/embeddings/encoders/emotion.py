"""The released emotion encoder: a small trained head on the first layers of Whisper tiny.en.

The layers keep the prosody and the voice quality that the last layers drop in favour of the words (`thesis weights
emotion` measures it). Their statistics over the speech frames of a recording go through a head that is trained with
emotion labels so that its vectors depend as little as possible on the speaker and the text
(``thesis_lib.training.emotion``). Loudness is normalised before.

Shapes: B batch, N samples at 16 kHz, T frames (50 a second), S statistics, D embedding size.

References: Whisper, Radford et al. 2022, arXiv:2212.04356; statistics pooling, Snyder et al. 2018,
doi:10.1109/ICASSP.2018.8461375.
"""

import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib.embeddings.encoders.emotion_numpy import (
    DEFAULT_FOLDER,
    FRAME,
    FRAME_WINDOW,
    LEVEL_DB,
    MAX_DEVIATION,
    MAX_WINDOW,
    MIN_ENERGY,
    MIN_VARIANCE,
    SPEECH_RANGE_DB,
    read_folder,
    revision,
    trimmed,
    unusable,
)
from thesis_lib.embeddings.encoders.whisper import WhisperEncoder
from thesis_lib.embeddings.encoders.whisper_weights import WIDTH


class EmotionHead(nn.Module):
    """Standardise the statistics, reduce them to D numbers through one hidden layer, and scale to unit length."""

    mean: Tensor  # (S,)
    scale: Tensor  # (S,)

    def __init__(self, statistics: int, hidden: int, dim: int, input_dropout: float = 0.0, dropout: float = 0.0):
        super().__init__()
        self.register_buffer("mean", torch.zeros(statistics))
        self.register_buffer("scale", torch.ones(statistics))
        self.input_dropout = nn.Dropout(input_dropout)
        self.hidden = nn.Linear(statistics, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(hidden, dim)

    def forward(self, statistics: Tensor) -> Tensor:
        """(B, S) -> (B, D), unit length."""
        x = ((statistics - self.mean) / self.scale).clamp(-MAX_DEVIATION, MAX_DEVIATION)
        x = self.dropout(F.gelu(self.hidden(self.input_dropout(x))))
        return F.normalize(self.out(x), dim=-1)


class EmotionEncoder(nn.Module):
    """Emotion embedding of unit length, 16 kHz; the layers are Whisper's, the head is of ``folder``.

    Raises ModelError where Whisper's weights cannot be had, EncoderError for a folder that is not of this encoder.
    """

    name = "whisper-emotion"
    sample_rate = 16_000  # Hz

    def __init__(self, folder: str | Path = DEFAULT_FOLDER) -> None:
        super().__init__()
        folder = Path(folder)
        settings, tensors = read_folder(folder, load_file)
        self.layers, self.dim = tuple(settings["layers"]), int(settings["dim"])
        self.head = EmotionHead(2 * WIDTH * len(self.layers), settings["hidden"], self.dim)
        try:
            self.head.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=True)
        except RuntimeError as error:
            raise unusable(folder, error) from error
        self.frozen = WhisperEncoder()
        self.revision = revision(folder, self.frozen.revision)
        self.eval().requires_grad_(False)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) at 16 kHz, all of one length -> (B, D), unit length; differentiable."""
        return self.head(statistics(self.frozen, wav, self.layers))

    @torch.inference_mode()
    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (D,). Finite for any finite recording; silence and noise have a vector too."""
        device = self.head.mean.device
        return self(torch.from_numpy(trimmed(wav)).to(device)[None])[0].cpu().numpy()


def statistics(frozen: WhisperEncoder, wav: Tensor, layers: tuple[int, ...]) -> Tensor:
    """(B, N) -> (B, S): mean and standard deviation of each layer over the speech frames, S = 2 x 384 x layers.

    Recordings of more than two seconds are divided into equal windows, and the statistics are over all of them.
    Differentiable.
    """
    count, samples = len(wav), wav.shape[1]
    windows = math.ceil(samples / MAX_WINDOW)
    length = FRAME * math.ceil(samples / windows / FRAME)
    wav = F.pad(_at_level(wav), (0, windows * length - samples)).reshape(count * windows, length)
    states = frozen.states(wav, max(layers))
    energy = _energy(wav)[:, : length // FRAME].reshape(count, -1)
    speech = (energy >= energy.amax(1, keepdim=True) * 10 ** (-SPEECH_RANGE_DB / 10)).to(wav.dtype)[:, :, None]
    found = []
    for layer in layers:
        x = states[layer].reshape(count, -1, WIDTH)
        mean = (x * speech).sum(1) / speech.sum(1)
        variance = ((x - mean[:, None]).square() * speech).sum(1) / speech.sum(1)
        found += [mean, (variance + MIN_VARIANCE).sqrt()]
    return torch.cat(found, dim=1)


def _energy(wav: Tensor) -> Tensor:
    """(B, N) -> (B, N / 320 + 1): mean square of each frame, at least ``MIN_ENERGY``."""
    return F.avg_pool1d(wav.square()[:, None], FRAME_WINDOW, FRAME, FRAME_WINDOW // 2)[:, 0].clamp(min=MIN_ENERGY)


def _at_level(wav: Tensor) -> Tensor:
    """(B, N) with the speech frames at ``LEVEL_DB``, so that loudness is no input."""
    energy = _energy(wav)
    speech = energy >= energy.amax(1, keepdim=True) * 10 ** (-SPEECH_RANGE_DB / 10)
    mean = (energy * speech).sum(1, keepdim=True) / speech.sum(1, keepdim=True)
    return wav * (10 ** (LEVEL_DB / 10) / mean).sqrt()
