"""What the generators in torch and their ONNX graphs share: constants, sizes, the noise of the excitation. No torch."""

import math

import numpy as np

from thesis_lib.config import IstftConfig

MAX_DEVIATION_STDS = 3.0  # of an embedding from the mean; nearly all training embeddings lie within
MAX_LOG_MAGNITUDE = math.log(1e2)  # nepers, of a predicted magnitude, as in Vocos
FRAME_KERNEL = 7  # frames, of the convolutions of the inverse-STFT generator
LEAKY_SLOPE = 0.1  # of HiFi-GAN's activations
# The official code uses torch's default slope in the last activation; its weights expect that.
LAST_LEAKY_SLOPE = 0.01
NOISE_PERIOD = 2**16  # samples; inaudible, and it makes the output reproducible


def frames_ahead(config: IstftConfig) -> list[int]:
    """Right context of every convolution, in frames: the first ones take as much of the look-ahead as they can."""
    half = FRAME_KERNEL // 2
    left = half * (1 + config.blocks) if config.lookahead is None else config.lookahead
    found = []
    for _ in range(1 + config.blocks):
        found.append(min(half, left))
        left -= found[-1]
    return found


def excitation_noise() -> np.ndarray:
    """Gaussian noise of unit power (NOISE_PERIOD,), float32: ``torch.randn`` of a generator with the seed 0.

    Trained weights expect these samples. torch draws 32-bit words of a Mersenne Twister, of which 24 bits are a number
    in [0, 1), and turns each sixteen into normal deviates (Box & Muller 1958, doi:10.1214/aoms/1177706645).
    """
    words = np.random.RandomState(0).randint(0, 2**32, NOISE_PERIOD, np.uint32)
    uniform = (words & (2**24 - 1)).astype(np.float32).reshape(-1, 2, 8) / np.float32(2**24)
    radius = np.sqrt(-2 * np.log(1 - uniform[:, 0]))
    angle = np.float32(2 * np.pi) * uniform[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
