"""A vocoder with random weights, and random inputs of it."""

import numpy as np
import torch

from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig, IstftConfig
from thesis_lib.vocoder.synthesis import Vocoder

LOUD = HifiganConfig(channels=64, kernel_sizes=(3, 7), dilations=((1, 3), (1, 3)))


def loud_vocoder(generator: HifiganConfig | IstftConfig = LOUD) -> Vocoder:
    """One with random weights that are large enough for its layers to matter."""
    torch.manual_seed(0)
    meta = {"task": "resynthesis", "audio": AudioConfig().model_dump(), "content": ContentConfig().model_dump()}
    meta |= {"generator": generator.model_dump(), "speaker_dim": 5, "emotion_dim": 6}
    vocoder = Vocoder.untrained(meta | {"speaker_encoder": "ecapa", "emotion_encoder": "egemaps"})
    for module in vocoder.generator.modules():
        if isinstance(module, torch.nn.Conv1d | torch.nn.ConvTranspose1d):
            module.weight.data *= 8
    return vocoder


def random_inputs(count: int) -> list[dict[str, np.ndarray]]:
    rng, shapes = np.random.default_rng(0), {"content": (1, 80, 60), "speaker": (1, 5), "emotion": (1, 6)}
    rows = [{name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()} for _ in range(count)]
    return [row | {"content": 2 * row["content"] - 5, "guidance": np.ones(1, np.float32)} for row in rows]
