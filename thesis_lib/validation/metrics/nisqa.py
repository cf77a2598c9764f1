"""NISQA-TTS: predicted naturalness of synthetic speech (Mittag & Möller 2020, doi:10.21437/Interspeech.2020-2382).

The published package pins old versions of its dependencies, so the network is defined here and loads the published
weights strictly; a test compares one value with the package's. The weights are CC BY-NC-SA 4.0, not for commercial
use: they are used where the user has fetched them, and never fetched automatically.
"""

import functools

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib import pretrained
from thesis_lib.utils.load_librosa import load_librosa
from thesis_lib.validation.metrics.errors import MetricError, measured
from thesis_lib.validation.metrics.recording import Recording

WEIGHT = "nisqa-tts"
BANDS, WIDTH = 48, 15  # of a patch: mel bands, frames of 10 ms
CHANNELS = (1, 16, 32, 64, 64, 64, 64)
POOLED = {0: (0, 1), 1: (0, 0), 3: (0, 0)}  # convolution -> padding of the pooling after it
# Our names <- the published ones.
NAMES = {"cnn.model.fc_out": "squeeze", "time_dependency.model.lstm": "lstm", "pool.model.linear": "opinion"}
NAMES |= {
    f"cnn.model.{kind}{i + 1}": f"{ours}.{i}" for kind, ours in (("conv", "conv"), ("bn", "norm")) for i in range(6)
}


class Nisqa(nn.Module):
    """Patches of a log-mel (T, 1, 48, 15) -> predicted MOS (): a CNN a patch, a bidirectional LSTM over them."""

    def __init__(self) -> None:
        super().__init__()
        pairs = zip(CHANNELS, CHANNELS[1:], strict=False)
        self.conv = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.norm = nn.ModuleList(nn.BatchNorm2d(channels) for channels in CHANNELS[1:])
        self.squeeze = nn.Linear(CHANNELS[-1] * 6 * 2, 20)
        self.lstm = nn.LSTM(20, 128, bidirectional=True)
        self.opinion = nn.Linear(256, 1)

    def forward(self, patches: Tensor) -> Tensor:
        """(T, 1, 48, 15) -> (); from the last state of each direction."""
        x = patches
        for number, (conv, norm) in enumerate(zip(self.conv, self.norm, strict=True)):
            x = F.relu(norm(conv(x)))
            if number in POOLED:
                x = F.max_pool2d(x, 2, padding=POOLED[number])
        _, (last, _) = self.lstm(self.squeeze(x.flatten(1)))
        return self.opinion(last.flatten()).squeeze()


@functools.cache
def _network() -> Nisqa:
    stored = torch.load(pretrained.fetch(WEIGHT) / "nisqa_tts.tar", map_location="cpu", weights_only=True)
    state = {}
    for name, tensor in stored["model_state_dict"].items():
        prefix = next(published for published in NAMES if name.startswith(published + "."))
        state[NAMES[prefix] + name.removeprefix(prefix)] = tensor
    network = Nisqa()
    network.load_state_dict(state, strict=True)
    return network.eval().requires_grad_(False)


@torch.inference_mode()
def nisqa(recording: Recording) -> dict[str, float]:
    """Predicted naturalness, 1..5. MetricError for silence and for less than 15 frames of 10 ms."""
    if recording.is_silent:
        raise MetricError("the signal is silent: NISQA rates speech")
    rate = recording.audio.sample_rate
    librosa = load_librosa()
    mel = librosa.feature.melspectrogram(
        y=recording.wav,
        sr=rate,
        n_fft=4096,
        hop_length=int(rate * 0.01),
        win_length=int(rate * 0.02),
        n_mels=BANDS,
        fmax=8000.0,
        power=1.0,
        pad_mode="reflect",
    )
    decibel = librosa.amplitude_to_db(mel, ref=1.0, amin=1e-4, top_db=80.0).astype(np.float32)
    if decibel.shape[1] < WIDTH:
        raise MetricError(f"{len(recording.wav) / rate:.2f} s are too short for NISQA")
    patches = torch.from_numpy(decibel).unfold(1, WIDTH, 1).permute(1, 0, 2).unsqueeze(1)
    return {"nisqa": measured(float(_network()(patches)), "NISQA")}
