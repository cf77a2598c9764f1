"""ECAPA-TDNN speaker encoder (Desplanques et al. 2020, arXiv:2005.07143), speechbrain's network.

The network is built here with the published sizes and the weights are loaded strictly: no YAML is
executed, and a missing, extra or mis-shaped key is an error.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from thesis_lib import pretrained
from thesis_lib.embeddings.encoders.base import PRECISION_SUFFIX
from thesis_lib.embeddings.encoders.ecapa_graph import BANDS, MIN_FRAMES
from thesis_lib.embeddings.encoders.fbank import Fbank
from thesis_lib.embeddings.encoders.power_bands import check_length, parts_in_frames

CONTEXT_FRAMES = 4  # frames to each side that the widest convolution spans
_frames: ContextVar[Tensor | None] = ContextVar("frames of each signal of a batch", default=None)


class EcapaTdnn(nn.Module):
    """ECAPA-TDNN, 192-d, 16 kHz; equals ``EncoderClassifier.encode_batch`` of the published model.

    With ``precision="bfloat16"`` the network computes in bfloat16, for CPUs with instructions for it, and ``revision``
    ends in "-bfloat16"; ``forward``, which a loss differentiates, stays in float32.
    """

    name = "ecapa"
    dim = 192
    sample_rate = 16_000  # Hz

    def __init__(self, precision: Literal["float32", "bfloat16"] = "float32") -> None:
        super().__init__()
        from speechbrain.nnet.CNN import Conv1d
        from speechbrain.processing.features import InputNormalization

        self.in_bfloat16 = precision == "bfloat16"
        self.revision = pretrained.get("ecapa").revision + (PRECISION_SUFFIX if self.in_bfloat16 else "")
        self.features = Fbank(BANDS)
        self.normalise = InputNormalization(norm_type="sentence", std_norm=False)
        self.network = published_network()
        for layer in self.network.modules():
            if isinstance(layer, Conv1d):
                layer.register_forward_pre_hook(_reflect_each_end)
                if layer.kernel_size == 1:
                    layer.padding = "valid"  # reflecting 0 frames would copy the signal: a fifth of the total time
        self.eval().requires_grad_(False)

    def forward(self, wav: Tensor) -> Tensor:
        """(B, N) at 16 kHz, all of one length -> (B, 192); differentiable."""
        features = self.features(wav)
        # The mean of each signal, as ``self.normalise`` takes it, without its loop over the signals on the host.
        return self.network(features - features.mean(1, keepdim=True)).squeeze(1)

    def encode(self, wav: np.ndarray) -> np.ndarray:
        """(N,) -> (192,). Raises EncoderError for fewer than 640 samples."""
        return self.encode_batch([wav])[0]

    @torch.inference_mode()
    def encode_parts(self, wav: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
        """(N,) and the lengths in samples of P consecutive parts -> (1 + P, 192): the whole signal, and each part.

        The frames are computed once, from the whole signal; the vector of a part is pooled from its frames. Raises
        EncoderError for fewer than 640 samples, and for a part of fewer than 160.
        """
        check_length(len(wav), MIN_FRAMES, self.name)
        device, network = next(self.parameters()).device, cast(Any, self.network)  # its layers have no types
        x = self.features(torch.from_numpy(wav).to(device)[None])
        x, found = (x - x.mean(1, keepdim=True)).transpose(1, 2), []
        with torch.autocast(device.type, torch.bfloat16, enabled=self.in_bfloat16):
            for layer in network.blocks:
                found.append(x := layer(x))
            frames = network.mfa(torch.cat(found[1:], dim=1))
            parts = [frames, *(frames[..., part] for part in parts_in_frames(lengths, frames.shape[-1]))]
            vectors = [network.fc(network.asp_bn(network.asp(part))) for part in parts]
        return torch.cat(vectors).squeeze(-1).float().cpu().numpy()

    @torch.inference_mode()
    def encode_batch(self, wavs: Sequence[np.ndarray]) -> np.ndarray:
        """Signals (N,) of any lengths -> (B, 192), each equal to that of ``encode``.

        speechbrain's own batches differ: its convolutions reflect the end of the batch's rows, which for shorter
        signals is padding. Raises EncoderError where a signal has fewer than 640 samples.
        """
        for wav in wavs:
            check_length(len(wav), MIN_FRAMES, self.name)
        device = next(self.parameters()).device
        one = torch.ones(1, device=device)
        bands = [self.features(torch.from_numpy(wav).to(device)[None]) for wav in wavs]
        features = [self.normalise(x, one)[0] for x in bands]
        frames = torch.tensor([len(x) for x in features], device=device)
        # The longest of several needs room for its reflection too.
        total = int(frames.max()) + (CONTEXT_FRAMES if len(wavs) > 1 else 0)
        padded = torch.stack([nn.functional.pad(x, (0, 0, 0, total - len(x))) for x in features])
        token = _frames.set(frames if len(wavs) > 1 else None)
        try:
            with torch.autocast(device.type, torch.bfloat16, enabled=self.in_bfloat16):
                # The network converts relative lengths to frames; half a frame less, so that rounding cannot add one.
                vectors = self.network(padded, (frames - 0.5) / total)
        finally:
            _frames.reset(token)
        return vectors.squeeze(1).float().cpu().numpy()


def published_network() -> nn.Module:
    """speechbrain's network with the published sizes and weights: (B, T, 80), (B,) -> (B, 1, 192).

    Raises ``ModelError`` where the weights cannot be loaded, ``RuntimeError`` for a missing, extra or mis-shaped key.
    """
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    network = ECAPA_TDNN(
        BANDS,
        channels=[1024, 1024, 1024, 1024, 3072],
        kernel_sizes=[5, 3, 3, 3, 1],
        dilations=[1, 2, 3, 4, 1],
        attention_channels=128,
        lin_neurons=EcapaTdnn.dim,
    )
    path = pretrained.fetch("ecapa") / "embedding_model.ckpt"
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=True)
    return network.eval()


def speaker_prototypes() -> Tensor:
    """Speaker prototypes of VoxCeleb (AAM class centres): (7205, 192), unit length.

    They are the rows of the classifier that the encoder was trained with (additive angular margin, arXiv:1801.07698);
    no recording of these speakers is used. Raises ``ModelError`` where they cannot be loaded.
    """
    path = pretrained.fetch("ecapa-speakers") / "classifier.ckpt"
    rows = torch.load(path, map_location="cpu", weights_only=True)["weight"]
    return nn.functional.normalize(rows, dim=1)


def _reflect_each_end(layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor] | None:
    """Before a convolution, (B, C, T): reflect every signal at its own end, as in a batch of one."""
    frames = _frames.get()
    if frames is None or layer.kernel_size == 1:
        return None
    x = inputs[0].clone()
    row, step = torch.arange(len(x), device=x.device)[:, None], torch.arange(CONTEXT_FRAMES, device=x.device)
    x[row, :, frames[:, None] + step] = x[row, :, frames[:, None] - 2 - step]
    return (x,)
