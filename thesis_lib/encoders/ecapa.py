"""ECAPA-TDNN speaker encoder (Desplanques et al. 2020, arXiv:2005.07143), speechbrain's network.

The network is built here with the published sizes and the weights are loaded strictly: no YAML is
executed, and a missing, extra or mis-shaped key is an error.
"""

import numpy as np
import torch
from torch import Tensor, nn

from thesis_lib import models


class EcapaTdnn(nn.Module):
    """192-d, 16 kHz; equals ``EncoderClassifier.encode_batch`` of the published model."""

    name = "ecapa"
    dim = 192
    sample_rate = 16_000  # Hz

    def __init__(self) -> None:
        super().__init__()
        from speechbrain.lobes.features import Fbank
        from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN
        from speechbrain.processing.features import InputNormalization

        self.revision = models.get("ecapa").revision
        self.features = Fbank(n_mels=80)
        self.normalise = InputNormalization(norm_type="sentence", std_norm=False)
        self.network = ECAPA_TDNN(
            80,
            channels=[1024, 1024, 1024, 1024, 3072],
            kernel_sizes=[5, 3, 3, 3, 1],
            dilations=[1, 2, 3, 4, 1],
            attention_channels=128,
            lin_neurons=self.dim,
        )
        path = models.fetch("ecapa") / "embedding_model.ckpt"
        self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
        self.eval().requires_grad_(False)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) at 16 kHz, all of one length -> (B, 192); differentiable."""
        lengths = torch.ones(len(wav), device=wav.device)  # relative: every sample counts
        return self.network(self.normalise(self.features(wav), lengths), lengths).squeeze(1)

    @torch.inference_mode()
    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (192,)."""
        return self(torch.from_numpy(wav).unsqueeze(0))[0].numpy()
