"""Export a vocoder as one ONNX file: generator, conditioning, inverse STFT; its metadata describe the vocoder."""

import copy
import math
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from thesis_lib.vocoder.content import channels
from thesis_lib.vocoder.generators.hifigan import Stage
from thesis_lib.vocoder.generators.istft import Stft
from thesis_lib.vocoder.graphs import ORIGIN, metadata
from thesis_lib.vocoder.synthesis import Vocoder

INPUTS = ("content", "speaker", "emotion", "guidance")


class _Exported(nn.Module):
    """The generator with the guidance, and the position in a stream, as inputs."""

    def __init__(self, vocoder: Vocoder) -> None:
        super().__init__()
        self.generator = vocoder.generator

    def forward(
        self, content: Tensor, speaker: Tensor, emotion: Tensor, guidance: Tensor, origin: Tensor | None = None
    ) -> Tensor:
        """(1, C, T), (1, S), (1, E), (1,), (2,) -> (1, 1, N)."""
        condition = self.generator.condition
        c = condition.neutral + guidance * (condition(speaker, emotion) - condition.neutral)
        return self.generator.synthesise(self.generator.reduce(content), c, origin)


class Polyphase(nn.Module):
    """A transposed convolution as a plain convolution that computes all phases, and their interleaving.

    The results are the same. Runtimes with fast int8 or bfloat16 have them for plain convolutions only: transposed
    ones, a thirtieth of HiFi-GAN V1's multiplications, then take a fifth to a half of its time.
    """

    def __init__(self, up: nn.ConvTranspose1d) -> None:
        super().__init__()
        self.rate, self.channels = up.stride[0], up.out_channels
        weight = torch.zeros(up.out_channels, self.rate, up.in_channels, 3)
        for phase in range(self.rate):
            # The kernel spans two input samples: of the one before and the one after, one lies outside of it.
            for tap, shift in enumerate((self.rate, 0, -self.rate)):
                place = phase + int(up.padding[0]) + shift
                if 0 <= place < up.kernel_size[0]:
                    weight[:, phase, :, tap] = up.weight.detach()[:, :, place].T
        self.conv = nn.Conv1d(up.in_channels, up.out_channels * self.rate, 3, padding=1)
        self.conv.weight.data = weight.flatten(0, 1)
        self.conv.bias = None if up.bias is None else nn.Parameter(up.bias.detach().repeat_interleave(self.rate))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) -> (B, C', rate * T)."""
        phases = self.conv(x).unflatten(1, (self.channels, self.rate))
        return phases.transpose(2, 3).flatten(2)


class InverseDft(nn.Module):
    """``torch.fft.irfft`` as two products with constant matrices (Cooley & Tukey 1965, doi:10.2307/2003354).

    ONNX Runtime's operator takes a third of a distilled vocoder's time, and some runtimes have none.
    """

    first: Tensor  # (b, 2 rows, 2 a)
    second: Tensor  # (2 b, b)

    def __init__(self, size: int) -> None:
        super().__init__()
        a = max(n for n in range(1, math.isqrt(size) + 1) if size % n == 0)
        b, bins = size // a, size // 2 + 1
        rows = -(-bins // b)
        self.pad = rows * b - bins
        # Bin k = b * row + column, sample n = line + a * place: kn / size is the sum below, up to whole turns.
        row, line, column = torch.arange(rows), torch.arange(a), torch.arange(b, dtype=torch.float64)
        bin_ = (b * row + column[:, None]).unsqueeze(2)
        weight = torch.where((bin_ == 0) | (2 * bin_ == size), 1.0, 2.0) / size  # bins that stand for two
        self.register_buffer("first", _complex_product(weight, bin_ * line / size))
        self.register_buffer("second", _complex_product(torch.ones(()), column[:, None] * column / b)[:, ::2])

    def forward(self, spectrum: Tensor) -> Tensor:
        """Complex (B, T, F) -> (B, T, N)."""
        b, width = self.first.shape[:2]
        parts = nn.functional.pad(torch.view_as_real(spectrum), (0, 0, 0, self.pad))
        rows = parts.unflatten(2, (width // 2, b)).permute(3, 0, 1, 2, 4).flatten(3)  # (b, B, T, 2 rows)
        lines = (rows.flatten(1, 2) @ self.first).unflatten(2, (-1, 2)).permute(1, 2, 0, 3)  # (B T, a, b, 2)
        places = lines.flatten(2) @ self.second  # (B T, a, b)
        return places.transpose(1, 2).flatten(1).unflatten(0, rows.shape[1:3])


def _complex_product(weight: Tensor, turns: Tensor) -> Tensor:
    """(..., K, N) turns -> (..., 2 K, 2 N), the matrix for real and imaginary parts side by side."""
    turned = torch.polar(weight.double().expand(turns.shape), 2 * math.pi * (turns % 1))
    columns = torch.stack([turned.real, turned.imag, -turned.imag, turned.real], dim=-1)
    return columns.unflatten(-1, (2, 2)).transpose(-2, -3).flatten(-2).flatten(-3, -2).float()


def export_onnx(vocoder: Vocoder, path: Path) -> None:
    """Write the file that ``OnnxVocoder`` reads; a generator with an excitation has one more input, its position."""
    import onnx

    exported = copy.deepcopy(_Exported(vocoder)).eval()
    for module in list(exported.modules()):
        if isinstance(module, Stft):
            module.signals = InverseDft(module.size)
        if isinstance(module, Stage):
            module.up = Polyphase(cast(nn.ConvTranspose1d, module.up))
    condition = vocoder.generator.condition
    means = {"speaker": condition.speaker_statistics.mean, "emotion": condition.emotion_statistics.mean}
    content = torch.randn(1, channels(vocoder.audio, vocoder.content_config), 40)
    given = [content, *(mean[None] for mean in means.values()), torch.ones(1)]
    names, shapes = list(INPUTS), [{2: torch.export.Dim("frames", min=2, max=16_384)}, None, None, None]
    if vocoder.generator.excited:
        given.append(torch.zeros(2, dtype=torch.float64))
        names.append(ORIGIN)
        shapes.append(None)
    torch.onnx.export(
        exported,
        tuple(given),
        str(path),
        input_names=names,
        output_names=["wav"],
        dynamic_shapes=tuple(shapes),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    model = onnx.load(path)
    arrays = {name: mean.numpy() for name, mean in means.items()}
    onnx.helper.set_model_props(model, metadata(vocoder.description, vocoder.receptive_field, arrays))
    onnx.save(model, path)
