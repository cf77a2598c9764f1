"""Content-addressed store of embeddings: each embedding is computed once.

The key has everything that determines a vector: the samples' sha256, their rate, the encoder's name and
revision. A renamed file keeps its vector; a changed file gets a new one.
"""

import functools
import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from thesis_lib.audio.files import read_audio
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import Encoder, EncoderError, embed_batch
from thesis_lib.embeddings.encoders.base import EncoderInput
from thesis_lib.utils.files import replacing
from thesis_lib.utils.parallel import map_on_cores, spread_over
from thesis_lib.utils.progress import Progress, silent

Load = Callable[[EncoderConfig], Encoder]  # ``speaker_encoder``, ``emotion_encoder`` and the like
_LOADING = threading.Lock()


class EmbeddingStore:
    """One .npy file per vector, in 256 folders by the key's first byte; written atomically."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def key(self, wav: np.ndarray, sample_rate: int, encoder: Encoder) -> str:
        """The key of a vector: sha256 of samples, rate, encoder name and revision, in hex."""
        digest = hashlib.sha256(np.ascontiguousarray(wav, np.float32).tobytes())
        digest.update(f"|{sample_rate}|{encoder.name}|{encoder.revision}".encode())
        return digest.hexdigest()

    def get(self, wav: np.ndarray, sample_rate: int, encoder: Encoder, source: object = "audio") -> np.ndarray:
        """(N,) -> (D,), from the store, or computed and stored. Raises what ``embed`` raises."""
        return self.get_batch([(wav, sample_rate, source)], encoder)[0]

    def get_batch(self, recordings: Sequence[EncoderInput], encoder: Encoder) -> list[np.ndarray]:
        """Recordings -> (D,) each; those that are not stored are computed in one batch."""
        keys = [self.key(wav, sample_rate, encoder) for wav, sample_rate, _ in recordings]
        paths = [self.folder / key[:2] / f"{key[2:]}.npy" for key in keys]
        found = {path: vector for path in paths if (vector := _load(path, encoder.dim)) is not None}
        missing = {path: recording for path, recording in zip(paths, recordings, strict=True) if path not in found}
        for path, vector in zip(missing, embed_batch(encoder, list(missing.values())), strict=True):
            with replacing(path) as partial:
                np.save(partial, vector)
            found[path] = vector
        return [found[path] for path in paths]


def _load(path: Path, dim: int) -> np.ndarray | None:
    """Read a stored vector; None when it is missing or damaged, so that it is computed again."""
    try:
        stored = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return stored if stored.shape == (dim,) else None


def embed_files(
    paths: Iterable[Path],
    load: Load,
    config: EncoderConfig,
    folder: Path,
    progress: Progress = silent,
    label: str = "",
    scheduler: str | None = None,
) -> np.ndarray:
    """Embed files -> (n, D) in their order, through the store in ``folder``.

    Batches of ``config.batch_size`` files of similar length are computed on every core or, with the address of a Dask
    ``scheduler``, on every worker of its cluster, which must see the same folders. Raises what ``embed`` raises.
    """
    paths = list(paths)
    batches = _by_length(paths, config.batch_size)
    expected = title(loaded(load, config))
    work = functools.partial(_embed, load=load, config=config, folder=Path(folder), expected=expected)
    items = [[paths[i] for i in batch] for batch in batches]
    # Threads share one network on the GPU; each process would load its own there.
    here = scheduler is None and config.device != "cpu"
    results = map_on_cores(work, items) if here else spread_over(work, items, scheduler)
    vectors: dict[int, np.ndarray] = {}
    for batch, rows in zip(batches, progress(results, len(batches), label), strict=True):
        vectors.update(zip(batch, rows, strict=True))
    return np.stack([vectors[i] for i in range(len(paths))])


def _by_length(paths: list[Path], size: int) -> list[list[int]]:
    """Indices of the paths in batches; by length for batches of more than one file, so that padding is short."""
    order = list(range(len(paths)))
    if size > 1:
        order.sort(key=lambda i: _seconds(paths[i]))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _seconds(path: Path) -> float:
    try:
        return soundfile.info(path).duration
    except (OSError, soundfile.LibsndfileError):
        return 0.0  # reading it will raise the error


def _embed(paths: list[Path], load: Load, config: EncoderConfig, folder: Path, expected: str) -> list[np.ndarray]:
    encoder = loaded(load, config)
    if title(encoder) != expected:
        raise EncoderError(f"a worker has the encoder {title(encoder)}, not {expected}: use the same on all")
    return EmbeddingStore(folder).get_batch([(*read_audio(path), path) for path in paths], encoder)


def title(encoder: Encoder) -> str:
    """The encoder's name and revision, "name (revision)", for tables and descriptions."""
    return f"{encoder.name} ({encoder.revision})"


def loaded(load: Load, config: EncoderConfig) -> Encoder:
    """Load an encoder once per process; all threads and tasks share it."""
    with _LOADING:
        return _newest(load, config)


@functools.lru_cache(maxsize=1)
def _newest(load: Load, config: EncoderConfig) -> Encoder:
    return load(config)
