"""Low-pass filter for recordings with a band that ends below the Nyquist frequency.

A recording made at 16 kHz has nothing above 8 kHz at any higher sample rate. A loss or discriminator that compared the
full band would teach the generator that speech ends there, so both signals are low-passed alike before it.

Shapes: B batch, N samples.
"""

import math

import torch
from torch import Tensor

NYQUIST = 0.5  # cycles per sample; a cutoff from here on is no limit
TRANSITION = 0.04  # share of the cutoff: width of the transition band below it


def low_pass(wav: Tensor, cutoff: Tensor) -> Tensor:
    """(B, N), cutoffs (B,) in cycles per sample -> (B, N) without the band from the cutoff on; differentiable.

    Zero phase, circular over the N samples. The gain is 1 below the transition band, half a cosine in it and 0 from the
    cutoff on, for the signal and for its gradient. A row with a cutoff of ``NYQUIST`` or more is returned unchanged.
    """
    cutoff = cutoff.to(wav).unsqueeze(1)
    frequency = torch.fft.rfftfreq(wav.shape[1], device=wav.device, dtype=wav.dtype)
    place = ((cutoff - frequency) / (TRANSITION * cutoff)).clamp(0, 1)
    gain = 0.5 - 0.5 * torch.cos(math.pi * place)
    filtered = torch.fft.irfft(gain * torch.fft.rfft(wav), n=wav.shape[1])
    return torch.where(cutoff < NYQUIST, filtered, wav)
