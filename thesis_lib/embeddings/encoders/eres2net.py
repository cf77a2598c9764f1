"""ERes2Net speaker encoder (Chen et al. 2023, arXiv:2305.12838), funasr's network: an evaluation encoder."""

import numpy as np
import torch
from torch import Tensor, nn

from thesis_lib import pretrained
from thesis_lib.embeddings.encoders.funasr_models import funasr_network


class Eres2net(nn.Module):
    """ERes2Net, 192-d, 16 kHz; trained on VoxCeleb by 3D-Speaker."""

    name = "eres2net"
    dim = 192
    sample_rate = 16_000  # Hz

    def __init__(self) -> None:
        super().__init__()
        from torchaudio.compliance.kaldi import fbank

        self.revision = pretrained.get("eres2net").revision
        self._fbank = fbank
        self.network = funasr_network("eres2net.eres2net", "ERes2Net")(feat_dim=80, embedding_size=self.dim)
        path = pretrained.fetch("eres2net") / "pretrained_eres2net.ckpt"
        self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
        self.eval().requires_grad_(False)

    def forward(self, wav: Tensor) -> Tensor:
        """(N,) at 16 kHz -> (192,)."""
        bands = self._fbank(wav.unsqueeze(0), num_mel_bins=80, sample_frequency=self.sample_rate, dither=0)
        return self.network((bands - bands.mean(0)).unsqueeze(0))[0]

    @torch.inference_mode()
    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (192,)."""
        return self(torch.from_numpy(wav)).numpy()
