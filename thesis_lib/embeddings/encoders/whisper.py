"""Whisper's encoder as a network that a loss can differentiate (Radford et al. 2022, arXiv:2212.04356).

``thesis_lib.pretrained.whisper`` runs the same weights through CTranslate2, faster and without a gradient.
``whisper_weights`` reads them from its file.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib import pretrained
from thesis_lib.audio.log_mel import mel_filters
from thesis_lib.embeddings.encoders.whisper_weights import (
    BANDS,
    HEADS,
    HOP,
    LAYERS,
    MAX_RANGE_LOG10,
    MIN_POWER,
    NAME,
    SIZE,
    WIDTH,
    encoder_weights,
)


class Layer(nn.Module):
    """A transformer layer: self-attention and a two-layer network, each after a norm and with a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.projection, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        projected = self.projection(self.attention_norm(x)).unflatten(2, (3, HEADS, WIDTH // HEADS))
        query, key, value = projected.permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm(x))))


class WhisperEncoder(nn.Module):
    """Phonetic features frame by frame: 384-d, 50 frames a second, 16 kHz.

    The mean over the frames is subtracted, as in ``thesis_lib.vocoder.content``: it mostly encodes the speaker.
    """

    name = NAME
    dim = WIDTH
    sample_rate = 16_000  # Hz

    mel: Tensor  # (BANDS, F)
    window: Tensor  # (SIZE,)
    positions: Tensor  # (1500, D)

    def __init__(self) -> None:
        super().__init__()
        self.revision = pretrained.get(self.name).revision
        filters = mel_filters(self.sample_rate, SIZE, BANDS)
        self.register_buffer("mel", torch.tensor(filters), persistent=False)
        self.register_buffer("window", torch.hann_window(SIZE), persistent=False)
        self.first = nn.Conv1d(BANDS, WIDTH, 3, padding=1)
        self.second = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.register_buffer("positions", torch.zeros(1500, WIDTH))
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        arrays = encoder_weights(pretrained.fetch(self.name) / "model.bin")
        self.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, strict=True)
        self.eval().requires_grad_(False)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) at 16 kHz, at most 30 s -> (B, D, N / 320), mean subtracted; differentiable."""
        x = self.norm(self.states(wav, LAYERS)[-1]).transpose(1, 2)
        return x - x.mean(2, keepdim=True)

    def states(self, wav: Tensor, last: int) -> list[Tensor]:
        """(B, N) at 16 kHz, at most 30 s -> the output of each layer up to ``last``, (B, N / 320, D); differentiable.

        The first item is the output of the convolutions. The layers after ``last`` are not computed.
        """
        spectrum = torch.stft(wav, SIZE, HOP, window=self.window, return_complex=True)[..., :-1]
        # |x|^2 is differentiable where a bin is 0.
        log = (self.mel @ (spectrum.real**2 + spectrum.imag**2)).clamp(min=MIN_POWER).log10()
        log = torch.maximum(log, log.amax(dim=(1, 2), keepdim=True) - MAX_RANGE_LOG10)
        x = F.gelu(self.second(F.gelu(self.first((log + 4) / 4)))).transpose(1, 2)
        found = [x]
        x = x + self.positions[: x.shape[1]]
        for layer in self.layers[:last]:
            x = layer(x)
            found.append(x)
        return found
