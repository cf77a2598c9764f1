"""Statistics of Whisper's layers for every recording and its augmented versions, computed once and cached.

Shapes: n recordings times versions, S statistics of all layers.
"""

import functools
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from thesis_lib.audio.files import read_audio
from thesis_lib.embeddings.encoders import emotion as encoder
from thesis_lib.embeddings.encoders.emotion import statistics
from thesis_lib.embeddings.encoders.emotion_numpy import trimmed
from thesis_lib.embeddings.encoders.whisper import WhisperEncoder
from thesis_lib.embeddings.encoders.whisper_weights import LAYERS, WIDTH
from thesis_lib.training.emotion import augmentation
from thesis_lib.training.emotion.augmentation import RATE, augmented
from thesis_lib.training.emotion.recordings import Clip
from thesis_lib.utils.files import replacing, sha256
from thesis_lib.utils.parallel import map_on_cores
from thesis_lib.utils.progress import Progress, silent

ALL_LAYERS = tuple(range(LAYERS + 1))
SAME_SPEAKER, OTHER_SPEAKER = 1, 5  # augmented versions of a recording, of each kind
VERSIONS = 1 + SAME_SPEAKER + OTHER_SPEAKER  # the first is the recording itself


@dataclass(frozen=True)
class Features:
    """Statistics of all layers, (n, S), with what each row is of, (n,)."""

    statistics: np.ndarray
    emotion: np.ndarray
    speaker: np.ndarray
    sentence: np.ndarray
    version: np.ndarray  # 0: the recording itself; from 1 + SAME_SPEAKER on by another speaker

    def of(self, layers: tuple[int, ...]) -> np.ndarray:
        """The statistics of some of the layers, (n, 2 x 384 x layers), as the encoder computes them."""
        return np.concatenate([self.statistics[:, 2 * WIDTH * i : 2 * WIDTH * (i + 1)] for i in layers], axis=1)

    def rows(self, chosen: np.ndarray) -> "Features":
        """Some of the rows, by a mask or by indices."""
        return Features(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def features(clips: Sequence[Clip], versions: int, cache: Path, progress: Progress = silent) -> Features:
    """The statistics of every clip in each of ``versions``, from ``cache`` where they have been computed before.

    Deterministic: a version's random numbers depend on the recording's name and the version alone. Raises AudioError
    for a recording that cannot be read, ModelError where Whisper's weights cannot be had.
    """
    content = "".join(sha256(clip.path) for clip in clips)
    found = []
    for version in range(versions):
        key = f"{content}|{version}|{SAME_SPEAKER}|{_settings()}|{_frozen().revision}"
        path = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.npy"
        if not path.exists():
            rows = map_on_cores(functools.partial(_statistics, version=version), clips)
            table = np.stack(list(progress(rows, len(clips), f"statistics, version {version}")))
            with replacing(path) as partial_file:
                np.save(partial_file, table.astype(np.float16))
        found.append(np.load(path, allow_pickle=False).astype(np.float32))
    emotion, speaker, sentence = (
        np.tile([getattr(clip, name) for clip in clips], versions) for name in ("emotion", "speaker", "sentence")
    )
    return Features(np.concatenate(found), emotion, speaker, sentence, np.repeat(np.arange(versions), len(clips)))


def _settings() -> dict[str, float]:
    """Every constant that a version's statistics depend on."""
    return {
        f"{module.__name__}.{name}": value
        for module in (augmentation, encoder)
        for name, value in sorted(vars(module).items())
        if name.isupper() and isinstance(value, (int, float))
    }


@functools.cache
def _frozen() -> WhisperEncoder:
    return WhisperEncoder()


def _statistics(clip: Clip, version: int) -> np.ndarray:
    """(S,) of one version of a recording."""
    wav = trimmed(read_audio(clip.path, RATE)[0])
    if version:
        rng = np.random.default_rng([zlib.crc32(clip.path.name.encode()), version])
        wav = trimmed(augmented(wav, version > SAME_SPEAKER, rng))
    with torch.inference_mode():
        return statistics(_frozen(), torch.from_numpy(wav)[None], ALL_LAYERS)[0].numpy()
