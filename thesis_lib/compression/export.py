"""Export a vocoder as one ONNX file: generator, conditioning, inverse STFT; its metadata describe the vocoder."""

from pathlib import Path

import torch
from torch import Tensor, nn

from thesis_lib.vocoder.content import channels
from thesis_lib.vocoder.graphs import GRAPHS, ORIGIN, vocoder_metadata, write_vocoder
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


def export_onnx(vocoder: Vocoder, path: Path) -> None:
    """Write the file that ``OnnxVocoder`` reads; a generator with an excitation has one more input, its position.

    The package's generators are built from their weights; torch traces one from outside.
    """
    if vocoder.description.generator.kind not in GRAPHS:
        _traced(vocoder, path)
        return
    tensors = {name: tensor.cpu().numpy() for name, tensor in vocoder.generator.state_dict().items()}
    write_vocoder(vocoder.description, tensors, path)


def _traced(vocoder: Vocoder, path: Path) -> None:
    import onnx

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
        _Exported(vocoder).eval(),
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
    onnx.helper.set_model_props(model, vocoder_metadata(vocoder.description, vocoder.receptive_field, arrays))
    onnx.save(model, path)
