"""Load a vocoder for use: in ONNX Runtime on the CPU, without torch, wherever its generator has a graph."""

from pathlib import Path
from typing import Any

from thesis_lib.vocoder.graphs import vocoder_file
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder
from thesis_lib.vocoder.rendering import BaseVocoder
from thesis_lib.vocoder.sources import is_onnx


def load_vocoder(
    source: str | Path, device: Any = "cpu", revision: str | None = None, frees_memory: bool = False
) -> BaseVocoder:
    """Load "default", "small", "hifigan-universal", a folder, "owner/name" on the model hub, or an ONNX file.

    A generator from outside the package, and a vocoder on a GPU, run in torch. To train, export or compress a vocoder,
    load it by ``synthesis.Vocoder``. ``frees_memory`` is that of ``OnnxVocoder``; torch has no such setting. Raises
    CheckpointError for a wrong folder or repository, OnnxError for a wrong file, DeviceError, and
    ModelError when the published weights cannot be had.
    """
    if is_onnx(source):
        return OnnxVocoder(Path(source), frees_memory=frees_memory).to(device)
    if str(device) == "cpu" and (file := vocoder_file(source, revision)):
        return OnnxVocoder(file, name=str(source), frees_memory=frees_memory)
    from thesis_lib.vocoder.synthesis import Vocoder

    return Vocoder.from_torch(source, revision, device)
