"""The released emotion encoder in NumPy, and what it shares with the one in torch.

Shapes: N samples at 16 kHz, T frames (50 a second), S statistics, D embedding size.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from thesis_lib.embeddings.encoders.base import EncoderError
from thesis_lib.embeddings.encoders.whisper_numpy import WhisperStates, gelu
from thesis_lib.embeddings.encoders.whisper_weights import WIDTH
from thesis_lib.utils.files import sha256

DEFAULT_FOLDER = Path(__file__).parents[2] / "data" / "emotion"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
FRAME, FRAME_WINDOW = 320, 640  # samples: 20 ms, one vector of the states, and the window of a frame's energy
SPEECH_RANGE_DB = 30.0  # below the loudest frame, within which a frame counts as speech
TRIM_RANGE_DB = 35.0  # below the loudest frame, within which a recording begins and ends
LEVEL_DB = -23.0  # dB RMS of the speech frames, after normalisation
MIN_ENERGY = 1e-10  # mean square of a frame, -100 dB
MIN_VARIANCE = 1e-8  # added to a variance before its root is taken
MAX_WINDOW = 32_000  # samples that the layers process at once: 2 s, as in the training recordings
MIN_SAMPLES = 6400  # 0.4 s; a shorter recording is padded with silence
MAX_DEVIATION = 5.0  # standard deviations, at which a standardised statistic is clipped


class NumpyEmotionEncoder:
    """Emotion embedding of unit length, 16 kHz, without torch.

    It has the name, the revision and the vectors of ``emotion.EmotionEncoder``.

    Raises ModelError where Whisper's weights cannot be had, EncoderError for a folder that is not of this encoder.
    """

    name = "whisper-emotion"
    sample_rate = 16_000  # Hz

    def __init__(self, folder: str | Path = DEFAULT_FOLDER) -> None:
        settings, tensors = read_folder(Path(folder), load_file)
        self.layers, self.dim = tuple(settings["layers"]), int(settings["dim"])
        self._head = {name: tensor.astype(np.float32) for name, tensor in tensors.items()}
        statistics, hidden = 2 * WIDTH * len(self.layers), int(settings["hidden"])
        shapes: dict[str, tuple[int, ...]] = {"mean": (statistics,), "scale": (statistics,)}
        shapes |= {"hidden.weight": (hidden, statistics), "hidden.bias": (hidden,)}
        shapes |= {"out.weight": (self.dim, hidden), "out.bias": (self.dim,)}
        if {name: tensor.shape for name, tensor in tensors.items()} != shapes:
            raise unusable(Path(folder), ValueError(f"the tensors are not those of {CONFIG}"))
        self._states = WhisperStates()
        self.revision = revision(Path(folder), self._states.revision)

    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (D,). Finite for any finite recording; silence and noise have a vector too."""
        head, x = self._head, self._statistics(trimmed(wav))
        x = np.clip((x - head["mean"]) / head["scale"], -MAX_DEVIATION, MAX_DEVIATION)
        hidden = head["hidden.weight"] @ x + head["hidden.bias"]
        out = head["out.weight"] @ gelu(hidden) + head["out.bias"]
        return (out / np.linalg.norm(out)).astype(np.float32)

    def _statistics(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (S,): mean and standard deviation of each layer over the speech frames."""
        windows = math.ceil(len(wav) / MAX_WINDOW)
        length = FRAME * math.ceil(len(wav) / windows / FRAME)
        rows = np.pad(_at_level(wav), (0, windows * length - len(wav))).reshape(windows, length)
        states = self._states(rows, max(self.layers))
        energies = np.concatenate([energy(row)[: length // FRAME] for row in rows])
        speech = energies >= energies.max() * 10 ** (-SPEECH_RANGE_DB / 10)
        found = []
        for layer in self.layers:
            x = states[layer].reshape(len(energies), -1)[speech]
            found += [x.mean(0), np.sqrt(x.var(0) + MIN_VARIANCE)]
        return np.concatenate(found)


def read_folder(folder: Path, load: Callable[[Path], dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read an encoder's settings and its tensors. EncoderError for a folder that is not of this encoder."""
    try:
        settings = json.loads((folder / CONFIG).read_text())
        if missing := {"layers", "hidden", "dim"} - settings.keys():
            raise ValueError(f"{CONFIG} has no {min(missing)}")
        return settings, load(folder / WEIGHTS)
    except Exception as error:  # safetensors raises its own type for each kind of damage
        raise unusable(folder, error) from error


def unusable(folder: Path, error: Exception) -> EncoderError:
    """The error for a folder that is not of this encoder."""
    reason = str(error).splitlines()[0]
    return EncoderError(f"{folder}: not a folder of the emotion encoder ({reason}); `thesis weights emotion` makes one")


def revision(folder: Path, frozen: str) -> str:
    """The revision of the encoder in a folder, on Whisper's weights of the revision ``frozen``."""
    return f"{sha256(folder / WEIGHTS)[:12]}+{frozen}"


def trimmed(wav: np.ndarray) -> np.ndarray:
    """(N,) without the silence at both ends -> (N',), at least ``MIN_SAMPLES`` by padding with zeros."""
    level = energy(wav)
    spoken = np.flatnonzero(level >= level.max() * 10 ** (-TRIM_RANGE_DB / 10))
    wav = wav[max(0, spoken[0] - 1) * FRAME : (spoken[-1] + 2) * FRAME].astype(np.float32)
    return np.pad(wav, (0, max(0, MIN_SAMPLES - len(wav))))


def energy(wav: np.ndarray) -> np.ndarray:
    """(N,) -> (N / 320 + 1,): mean square of each frame, at least ``MIN_ENERGY``."""
    padded = np.pad(np.asarray(wav, np.float32) ** 2, FRAME_WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_WINDOW)[::FRAME]
    return np.maximum(frames.mean(1), MIN_ENERGY)


def _at_level(wav: np.ndarray) -> np.ndarray:
    """(N,) with the speech frames at ``LEVEL_DB``, so that loudness is no input."""
    level = energy(wav)
    speech = level >= level.max() * 10 ** (-SPEECH_RANGE_DB / 10)
    return (wav * np.sqrt(10 ** (LEVEL_DB / 10) / level[speech].mean())).astype(np.float32)
