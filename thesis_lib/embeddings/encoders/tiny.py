"""A tiny encoder for tests: the substitute encoder where real weights are not cached, named as such."""

import numpy as np
import torch

from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig


class TinyTestEncoder:
    """192-d: a fixed orthogonal projection of the log-mel's mean and standard deviation.

    It separates speakers a little, because the long-term spectrum does. It is not a speaker encoder, and a table with
    its name has no result.
    """

    name = "tiny-test-encoder"
    revision = "1"
    dim = 192
    sample_rate = 16_000  # Hz

    def __init__(self) -> None:
        self._mel = LogMel(AudioConfig(sample_rate=self.sample_rate))
        generator = torch.Generator().manual_seed(0)
        square = torch.randn(self.dim, self.dim, generator=generator)
        self._projection = torch.linalg.qr(square).Q[: 2 * 80].contiguous()

    @torch.inference_mode()
    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (192,)."""
        mel = self._mel(torch.from_numpy(wav).unsqueeze(0))[0]
        statistics = torch.cat([mel.mean(1), mel.std(1)])
        return (statistics @ self._projection).numpy()
