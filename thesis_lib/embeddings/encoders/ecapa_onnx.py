"""ECAPA-TDNN in ONNX Runtime: the vectors of ``ecapa.EcapaTdnn`` without torch; inference only."""

from pathlib import Path

import numpy as np

from thesis_lib import pretrained
from thesis_lib.embeddings.encoders.ecapa_graph import BANDS, MIN_FRAMES, write_ecapa
from thesis_lib.embeddings.encoders.power_bands import check_length, power_bands
from thesis_lib.pretrained.torch_file import read_checkpoint
from thesis_lib.utils.onnx_graph import cached, freeing_session

GRAPH_VERSION = 1  # part of the cached file's name: a change of ``ecapa_graph`` that changes the file raises it


class OnnxEcapa:
    """ECAPA-TDNN, 192-d, 16 kHz, in float32; has the name and the revision of ``EcapaTdnn``, and its vectors.

    The graph is built from the published weights at the first use and kept in the cache. Raises ModelError where they
    cannot be had.
    """

    name = "ecapa"
    dim = 192
    sample_rate = 16_000  # Hz

    def __init__(self, threads: int | None = None) -> None:
        self.revision = pretrained.get("ecapa").revision
        self._session = freeing_session(graph_file(), threads)

    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (192,). Raises EncoderError for fewer than 640 samples, as ``EcapaTdnn``."""
        check_length(len(wav), MIN_FRAMES, self.name)
        bands = power_bands(wav, BANDS)
        return self._session.run(None, {"features": (bands - bands.mean(0)).T[None]})[0].reshape(-1)


def graph_file() -> Path:
    """The path of the graph in the cache, built where it is not there. ModelError as ``OnnxEcapa``."""
    name = f"ecapa-{pretrained.get('ecapa').revision}-{GRAPH_VERSION}.onnx"

    def build(path: Path) -> None:
        write_ecapa(read_checkpoint(pretrained.fetch("ecapa") / "embedding_model.ckpt"), path)

    return cached(pretrained.models_dir() / "graphs" / name, build)
