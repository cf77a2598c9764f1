"""ECAPA-TDNN in ONNX Runtime: the vectors of ``ecapa.EcapaTdnn`` without torch; inference only."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from thesis_lib import pretrained
from thesis_lib.embeddings.encoders.ecapa_graph import BANDS, FRAMES, MIN_FRAMES, POOLING, write_ecapa
from thesis_lib.embeddings.encoders.power_bands import check_length, parts_in_frames, power_bands
from thesis_lib.pretrained.torch_file import read_checkpoint
from thesis_lib.utils.onnx_graph import cached, freeing_session

GRAPH_VERSION = 2  # part of the cached files' names: a change of ``ecapa_graph`` that changes them raises it


class OnnxEcapa:
    """ECAPA-TDNN, 192-d, 16 kHz, in float32; has the name and the revision of ``EcapaTdnn``, and its vectors.

    The graphs are built from the published weights at the first use and kept in the cache. Raises ModelError where
    they cannot be had.
    """

    name = "ecapa"
    dim = 192
    sample_rate = 16_000  # Hz

    def __init__(self, threads: int | None = None) -> None:
        self.revision = pretrained.get("ecapa").revision
        self._frames, self._pooling = (freeing_session(graph_file(name), threads) for name in (FRAMES, POOLING))

    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (192,). Raises EncoderError for fewer than 640 samples, as ``EcapaTdnn``."""
        return self.encode_parts(wav, [])[0]

    def encode_parts(self, wav: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
        """(N,) and P lengths in samples -> (1 + P, 192), as ``EcapaTdnn.encode_parts``."""
        check_length(len(wav), MIN_FRAMES, self.name)
        bands = power_bands(wav, BANDS)
        frames = self._frames.run(None, {"features": (bands - bands.mean(0)).T[None]})[0]
        parts = [frames, *(frames[..., part] for part in parts_in_frames(lengths, frames.shape[-1]))]
        return np.stack([self._pooling.run(None, {FRAMES: np.ascontiguousarray(x)})[0].reshape(-1) for x in parts])


def graph_file(name: str) -> Path:
    """The path of a graph in the cache, built where it is not there. ModelError as ``OnnxEcapa``."""
    folder, revision = pretrained.models_dir() / "graphs", pretrained.get("ecapa").revision

    def build(path: Path) -> None:
        tensors = read_checkpoint(pretrained.fetch("ecapa") / "embedding_model.ckpt")
        write_ecapa(tensors, name, path)

    return cached(folder / f"ecapa-{name}-{revision}-{GRAPH_VERSION}.onnx", build)
