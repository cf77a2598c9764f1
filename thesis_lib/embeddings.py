"""Content-addressed store of embeddings: what is computed once for some samples is never computed again.

The key is everything that determines a vector: the samples' sha256, their rate, the encoder's name and
revision. A renamed file keeps its vector and a changed one loses it.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from thesis_lib.audio import read_audio
from thesis_lib.encoders import Encoder, embed
from thesis_lib.files import replacing
from thesis_lib.parallel import a_core_each
from thesis_lib.runs import Progress, silent


class EmbeddingStore:
    """One small .npy a vector, in 256 folders by the key's first byte; written atomically."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def key(self, wav: np.ndarray, sample_rate: int, encoder: Encoder) -> str:
        """sha256 of samples + rate + encoder name + revision, hex."""
        digest = hashlib.sha256(np.ascontiguousarray(wav, np.float32).tobytes())
        digest.update(f"|{sample_rate}|{encoder.name}|{encoder.revision}".encode())
        return digest.hexdigest()

    def get(self, wav: np.ndarray, sample_rate: int, encoder: Encoder, source: object = "audio") -> np.ndarray:
        """(N,) -> (D,), from the store or computed and stored. Raises what ``embed`` raises."""
        key = self.key(wav, sample_rate, encoder)
        path = self.folder / key[:2] / f"{key[2:]}.npy"
        stored = _load(path)
        if stored is not None and stored.shape == (encoder.dim,):
            return stored
        vector = embed(encoder, wav, sample_rate, source)
        with replacing(path) as partial:
            np.save(partial, vector)
        return vector

    def get_files(
        self, paths: Iterable[Path], encoder: Encoder, progress: Progress = silent, label: str = ""
    ) -> np.ndarray:
        """Files -> (n, D), in their order."""
        paths = list(paths)

        def one(path: Path) -> np.ndarray:
            return self.get(*read_audio(path), encoder, source=path)

        return np.stack(list(progress(a_core_each(one, paths), len(paths), label or encoder.name)))


def _load(path: Path) -> np.ndarray | None:
    """A stored vector; None where there is none, or a damaged one, which is then computed again."""
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
