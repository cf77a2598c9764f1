"""The released emotion encoder: a small trained head on the first layers of Whisper tiny.en.

The layers keep the prosody and the voice quality that the last layers drop in favour of the words (`thesis weights
emotion` measures it). Their statistics over the speech frames of a recording go through a head that is trained with
emotion labels so that its vectors depend as little as possible on the speaker and the text
(``thesis_lib.training.emotion``). Loudness is normalised before.

Shapes: B batch, N samples at 16 kHz, T frames (50 a second), S statistics, D embedding size.

References: Whisper, Radford et al. 2022, arXiv:2212.04356; statistics pooling, Snyder et al. 2018,
doi:10.1109/ICASSP.2018.8461375.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib.embeddings.encoders.base import EncoderError
from thesis_lib.embeddings.encoders.whisper import WIDTH, WhisperEncoder
from thesis_lib.utils.files import sha256

DEFAULT_FOLDER = Path(__file__).parents[2] / "data" / "emotion"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
FRAME, FRAME_WINDOW = 320, 640  # samples: 20 ms, one vector of the states, and the window of a frame's energy
SPEECH_DB = 30.0  # below the loudest frame, within which a frame counts as speech
TRIM_DB = 35.0  # below the loudest frame, within which a recording begins and ends
LEVEL_DB = -23.0  # dB RMS of the speech frames, after normalisation
MIN_ENERGY = 1e-10  # mean square of a frame, -100 dB
MAX_WINDOW = 32_000  # samples that the layers see at once: 2 s, as in the training recordings
MIN_SAMPLES = 6400  # 0.4 s; a shorter recording is padded with silence
MAX_DEVIATION = 5.0  # standard deviations, at which a standardised statistic is clipped


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
        try:
            settings = json.loads((folder / CONFIG).read_text())
            self.layers = tuple(settings["layers"])
            self.dim = int(settings["dim"])
            self.head = EmotionHead(2 * WIDTH * len(self.layers), settings["hidden"], self.dim)
            self.head.load_state_dict({k: v.float() for k, v in load_file(folder / WEIGHTS).items()}, strict=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise EncoderError(
                f"{folder}: not a folder of the emotion encoder ({reason}); `thesis weights emotion` makes one"
            ) from error
        self.frozen = WhisperEncoder()
        self.revision = f"{sha256(folder / WEIGHTS)[:12]}+{self.frozen.revision}"
        self.eval().requires_grad_(False)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) at 16 kHz, all of one length -> (B, D), unit length; differentiable."""
        return self.head(statistics(self.frozen, wav, self.layers))

    @torch.inference_mode()
    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (D,). Finite for any finite recording; silence and noise have a vector too."""
        device = self.head.mean.device
        return self(torch.from_numpy(trimmed(wav)).to(device)[None])[0].cpu().numpy()


def trimmed(wav: np.ndarray) -> np.ndarray:
    """(N,) without the silence at both ends -> (N',), at least ``MIN_SAMPLES`` by padding with zeros."""
    energy = _energy(torch.from_numpy(np.asarray(wav, np.float32))[None])[0].numpy()
    spoken = np.flatnonzero(energy >= energy.max() * 10 ** (-TRIM_DB / 10))
    wav = wav[max(0, spoken[0] - 1) * FRAME : (spoken[-1] + 2) * FRAME].astype(np.float32)
    return np.pad(wav, (0, max(0, MIN_SAMPLES - len(wav))))


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
    speech = (energy >= energy.amax(1, keepdim=True) * 10 ** (-SPEECH_DB / 10)).to(wav.dtype)[:, :, None]
    found = []
    for layer in layers:
        x = states[layer].reshape(count, -1, WIDTH)
        mean = (x * speech).sum(1) / speech.sum(1)
        variance = ((x - mean[:, None]).square() * speech).sum(1) / speech.sum(1)
        found += [mean, (variance + 1e-8).sqrt()]
    return torch.cat(found, dim=1)


def _energy(wav: Tensor) -> Tensor:
    """(B, N) -> (B, N / 320 + 1): mean square of each frame, at least ``MIN_ENERGY``."""
    return F.avg_pool1d(wav.square()[:, None], FRAME_WINDOW, FRAME, FRAME_WINDOW // 2)[:, 0].clamp(min=MIN_ENERGY)


def _at_level(wav: Tensor) -> Tensor:
    """(B, N) with the speech frames at ``LEVEL_DB``, so that loudness is no input."""
    energy = _energy(wav)
    speech = energy >= energy.amax(1, keepdim=True) * 10 ** (-SPEECH_DB / 10)
    mean = (energy * speech).sum(1, keepdim=True) / speech.sum(1, keepdim=True)
    return wav * (10 ** (LEVEL_DB / 10) / mean).sqrt()
