"""A vocoder as one ONNX file: generator, conditioning, inverse STFT, any length; what it is stands in its metadata."""

import copy
import json
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from thesis_lib import hub
from thesis_lib.content import channels
from thesis_lib.generators.hifigan import Stage
from thesis_lib.portable import CARD, META, ORIGIN
from thesis_lib.synthesis import Vocoder

INPUTS = ("content", "speaker", "emotion", "guidance")


class _Exported(nn.Module):
    """The generator with the strength of its condition, and the place in a stream, as inputs."""

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
    """A transposed convolution as a plain one that gives all phases of a sample, and their interleaving.

    The same numbers in another order. Where int8 or bfloat16 is fast, plain convolutions are; transposed ones, a
    thirtieth of HiFi-GAN V1's multiplications, then take a fifth of its time, or half.
    """

    def __init__(self, up: nn.ConvTranspose1d) -> None:
        super().__init__()
        self.rate, self.channels = up.stride[0], up.out_channels
        weight = torch.zeros(up.out_channels, self.rate, up.in_channels, 3)
        for phase in range(self.rate):
            # The kernel spans two samples of the input: the one before or the one after is out of its reach.
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


def export_onnx(vocoder: Vocoder, path: Path) -> None:
    """Write what ``OnnxVocoder`` reads. A generator with an excitation has one more input, the place in a stream."""
    import onnx

    exported = copy.deepcopy(_Exported(vocoder)).eval()
    for module in list(exported.modules()):
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
    about = {
        "vocoder": vocoder.meta,
        "reach": asdict(vocoder.reach),
        "means": {name: mean.tolist() for name, mean in means.items()},
    }
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {META: json.dumps(about), CARD: hub.card(vocoder.meta)})
    onnx.save(model, path)
