"""HiFi-GAN generator modulated by speaker and emotion embeddings.

Shapes: B batch, M mel bands, T mel frames, C channels, D condition size.

References: HiFi-GAN, Kong et al. 2020, arXiv:2010.05646 (sec. 2.2, configuration V1);
FiLM, Perez et al. 2018, arXiv:1709.07871 (eq. 2).
"""

import re

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm
from torch.nn.utils.parametrize import remove_parametrizations

from thesis_lib.conditioning import ConditionFusion, FiLM
from thesis_lib.config import AudioConfig, GeneratorConfig

LEAKY_SLOPE = 0.1
# The official code leaves the slope of the last activation at torch's default; its weights expect that.
LAST_SLOPE = 0.01


def _conv(channels: int, kernel: int, dilation: int) -> nn.Module:
    padding = dilation * (kernel - 1) // 2
    conv = nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=padding)
    nn.init.normal_(conv.weight, 0.0, 0.01)
    return weight_norm(conv)


class ResBlock(nn.Module):
    """Receptive field of one kernel size: a dilated and a plain convolution a dilation, with residuals."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(_conv(channels, kernel, d) for d in dilations)
        self.plain = nn.ModuleList(_conv(channels, kernel, 1) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C, T)."""
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, LEAKY_SLOPE)), LEAKY_SLOPE))
        return x


class Stage(nn.Module):
    """Upsample by ``rate``, modulate, then average the receptive fields (MRF)."""

    def __init__(self, channels: int, rate: int, config: GeneratorConfig) -> None:
        super().__init__()
        half = channels // 2
        # A kernel of 2 * rate padded this way yields exactly rate * T samples, odd rates included.
        padding = {"padding": (rate + 1) // 2, "output_padding": rate % 2}
        up = nn.ConvTranspose1d(channels, half, 2 * rate, rate, **padding)
        nn.init.normal_(up.weight, 0.0, 0.01)
        self.up = weight_norm(up)
        self.film = FiLM(half, config.condition_dim)
        self.fields = nn.ModuleList(ResBlock(half, k, config.dilations) for k in config.kernel_sizes)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """(B, C, T), (B, D) -> (B, C / 2, rate * T)."""
        x = self.film(self.up(F.leaky_relu(x, LEAKY_SLOPE)), c)
        return sum(field(x) for field in self.fields) / len(self.fields)


class Generator(nn.Module):
    """Log-mel and two embeddings -> waveform of exactly T * hop_length samples."""

    def __init__(self, audio: AudioConfig, config: GeneratorConfig, speaker_dim: int, emotion_dim: int) -> None:
        super().__init__()
        self.condition = ConditionFusion(speaker_dim, emotion_dim, config)
        self.pre = weight_norm(nn.Conv1d(audio.n_mels, config.channels, 7, padding=3))
        self.film = FiLM(config.channels, config.condition_dim)
        self.stages = nn.ModuleList(
            Stage(config.channels // 2**i, rate, config) for i, rate in enumerate(config.upsample_rates)
        )
        post = nn.Conv1d(config.channels // 2 ** len(config.upsample_rates), 1, 7, padding=3)
        nn.init.normal_(post.weight, 0.0, 0.01)
        self.post = weight_norm(post)

    def forward(self, mel: Tensor, speaker: Tensor, emotion: Tensor) -> Tensor:
        """(B, M, T), (B, S), (B, E) -> (B, 1, T * hop_length) in [-1, 1]."""
        c = self.condition(speaker, emotion)
        x = self.film(self.pre(mel), c)
        for stage in self.stages:
            x = stage(x, c)
        return torch.tanh(self.post(F.leaky_relu(x, LAST_SLOPE)))

    def fold_weight_norm(self) -> "Generator":
        """Replace each weight's norm and direction by the weight itself, for use after training."""
        for module in self.modules():
            if hasattr(module, "parametrizations"):
                remove_parametrizations(module, "weight")
        return self

    def load_hifigan(self, state: dict[str, Tensor]) -> None:
        """Load an official HiFi-GAN generator's state; the condition stays as it is.

        Raises RuntimeError when a key is missing, left over or mis-shaped.
        """
        fields = len(self.stages[0].fields)
        renamed = {_our_name(key, fields): value for key, value in state.items()}
        own = {k: v for k, v in self.state_dict().items() if not k.startswith("condition.") and ".affine." not in k}
        wrong = sorted(own.keys() ^ renamed.keys()) + [
            k for k in own.keys() & renamed if own[k].shape != renamed[k].shape
        ]
        if wrong:
            raise RuntimeError(f"not the weights of this generator: {len(wrong)} keys differ, such as {wrong[0]}")
        self.load_state_dict(renamed, strict=False)


def _our_name(key: str, fields: int) -> str:
    """Official name -> ours: ``resblocks.4.convs1.2.weight_g`` -> ``stages.1.fields.1.dilated.2.…original0``."""
    key = re.sub(r"^conv_(pre|post)\.", r"\1.", key)
    key = re.sub(r"^ups\.(\d+)\.", r"stages.\1.up.", key)
    block = re.match(r"^resblocks\.(\d+)\.convs([12])\.", key)
    if block:
        stage, field = divmod(int(block[1]), fields)
        kind = {"1": "dilated", "2": "plain"}[block[2]]
        key = f"stages.{stage}.fields.{field}.{kind}." + key[block.end() :]
    return key.replace("weight_g", "parametrizations.weight.original0").replace(
        "weight_v", "parametrizations.weight.original1"
    )
