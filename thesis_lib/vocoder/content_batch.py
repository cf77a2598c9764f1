"""Content features of training batches in torch: segments of recordings, with the frequency axis stretched.

Shapes: B batch, M mel bands, T mel frames, K cepstra, P phonetic channels, C content channels.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from thesis_lib.audio.log_mel import mel_frequencies
from thesis_lib.audio.pitch import PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.config import AudioConfig, ContentConfig
from thesis_lib.vocoder.content import (
    CEPSTRUM_SCALE,
    ENERGY_CENTRE,
    ENERGY_SCALE,
    PAST_END,
    Analysis,
    Feature,
    cepstral_basis,
    feature,
)


def absolute_pitch(content: Tensor) -> Tensor:
    """Content with a log-F0 channel (B, C, T) -> F0 in Hz (B, T), float64, because phases sum it."""
    return torch.exp(content[:, PITCH_CHANNEL].double() * PITCH_SCALE + PITCH_CENTRE)


class Content(nn.Module):
    """Compute content features (B, C, T) from a log-mel and an analysis."""

    basis: Tensor  # (cepstra, M)

    def __init__(self, audio: AudioConfig, config: ContentConfig) -> None:
        super().__init__()
        self.config = config
        basis = torch.from_numpy(cepstral_basis(audio.n_mels, config.cepstra))
        self.register_buffer("basis", basis, persistent=False)
        self._centres = mel_frequencies(audio.n_mels + 2, audio.fmin, audio.fmax)[1:-1]

    def forward(self, mel: Tensor, analyses: list[Analysis], start: list[int], warp: np.ndarray | None) -> Tensor:
        """Log-mel segments (B, M, T), from frame ``start`` of each recording -> (B, C, T).

        ``warp`` (B,) stretches each item's frequency axis by that factor; None leaves it as it is. Frames after a
        recording's end are unvoiced.
        """

        def cut(name: Feature) -> Tensor:
            if name == "mel_mean":
                return torch.from_numpy(np.stack([analysis.mel_mean for analysis in analyses]))
            rows = [feature(name, analysis, self.config) for analysis in analyses]
            return self._cut(rows, start, mel.shape[-1], PAST_END[name])

        return self.assembled(mel, cut, warp)

    def assembled(self, mel: Tensor, cut: Callable[[Feature], Tensor], warp: np.ndarray | None) -> Tensor:
        """Log-mel segments (B, M, T), and ``cut``, which gives a feature of the same segments -> (B, C, T).

        It gives (B, M) for "mel_mean", (B, P, T) for "phonetic", (B, 1, T) for "log_f0" and "voicing", and is called
        for the features of the content's kind only.
        """
        if self.config.kind == "mel":
            return mel
        said = self.cepstra(mel, cut("mel_mean"), warp) if self.config.kind == "envelope" else cut("phonetic")
        energy = ((mel.mean(1) - ENERGY_CENTRE) / ENERGY_SCALE).unsqueeze(1)
        return torch.cat([said, energy, cut("log_f0"), cut("voicing")], dim=1)

    def cepstra(self, mel: Tensor, mean: Tensor, warp: np.ndarray | None) -> Tensor:
        """(B, M, T), each utterance's mean log-mel (B, M), factors (B,) or None -> (B, K, T)."""
        if self.config.remove_mean:
            mel = mel - mean.unsqueeze(-1)
        if warp is not None:
            mel = torch.stack([self._stretch(x, float(w)) for x, w in zip(mel, warp, strict=True)])
        return (self.basis @ mel) / CEPSTRUM_SCALE

    def _cut(
        self, rows: list[np.ndarray], start: list[int], frames: int, past: Literal["edge", "constant"] = "edge"
    ) -> Tensor:
        """Frames ``start`` to ``start + frames`` of each (n, T) -> (B, n, frames), padded at the end."""
        cuts = [row[:, s : s + frames] for row, s in zip(rows, start, strict=True)]
        return torch.from_numpy(
            np.stack([np.pad(cut, ((0, 0), (0, frames - cut.shape[1])), mode=past) for cut in cuts]).astype(np.float32)
        )

    def _stretch(self, mel: Tensor, factor: float) -> Tensor:
        """Stretch the frequency axis of (M, T): the value at f Hz is that at f / factor, interpolated linearly."""
        places = np.interp(self._centres / factor, self._centres, np.arange(len(self._centres)))
        low = torch.from_numpy(np.floor(places).astype(np.int64)).clamp(max=len(places) - 2)
        share = (torch.from_numpy(places.astype(np.float32)).unsqueeze(1) - low.unsqueeze(1)).to(mel.device)
        low = low.to(mel.device)
        return mel[low] * (1 - share) + mel[low + 1] * share
