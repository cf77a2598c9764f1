"""The encoder of Whisper tiny.en as arrays, from CTranslate2's file (version 6): name, shape, type, bytes of a tensor.

``whisper`` is the network in torch, which has a gradient, ``whisper_numpy`` the one without.
"""

import os
import struct
from pathlib import Path

import numpy as np

NAME = "whisper-tiny.en"
WIDTH, HEADS, LAYERS = 384, 6, 4
BANDS, SIZE, HOP = 80, 400, 160  # log-mel: bands, samples at 16 kHz
MIN_POWER, MAX_RANGE_LOG10 = 1e-10, 8.0  # of the log-mel; from its loudest value down
TYPES = {0: np.float32, 4: np.float16}
# CTranslate2's names -> ours: of a layer's modules, and of the other modules.
PARTS = {
    "self_attention/layer_norm": "attention_norm",
    "self_attention/linear_0": "projection",
    "self_attention/linear_1": "out",
    "ffn/layer_norm": "norm",
    "ffn/linear_0": "up",
    "ffn/linear_1": "down",
}
OTHERS = {"conv1": "first", "conv2": "second", "layer_norm": "norm"}


def encoder_weights(path: Path) -> dict[str, np.ndarray]:
    """Read the encoder's tensors, float32, by this library's names."""
    found = _tensors(path)
    names = OTHERS | {
        f"layer_{i}/{theirs}": f"layers.{i}.{ours}" for i in range(LAYERS) for theirs, ours in PARTS.items()
    }
    state = {"positions": found.pop("position_encodings/encodings")}
    for name, tensor in found.items():
        part, _, kind = name.rpartition("/")
        state[f"{names[part]}.{ {'gamma': 'weight', 'beta': 'bias'}.get(kind, kind) }"] = tensor
    return state


def _tensors(path: Path) -> dict[str, np.ndarray]:
    """Read the encoder's tensors by CTranslate2's names."""
    with open(path, "rb") as stream:

        def number(layout: str) -> int:
            return struct.unpack(layout, stream.read(struct.calcsize(layout)))[0]

        def text() -> str:
            return stream.read(number("<H"))[:-1].decode()

        number("<I"), text(), number("<I")  # version, kind of model, its revision
        found = {}
        for _ in range(number("<I")):
            name = text()
            shape = [number("<I") for _ in range(number("<B"))]
            kind, size = number("<B"), number("<I")
            if name.startswith("encoder/") and shape:
                data = np.frombuffer(stream.read(size), TYPES[kind])
                found[name.removeprefix("encoder/")] = data.reshape(shape).astype(np.float32)
            else:
                stream.seek(size, os.SEEK_CUR)  # a tensor of the decoder
        return found
