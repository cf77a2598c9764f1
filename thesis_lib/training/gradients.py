"""Gradient norm of each loss at a trained generator."""

import torch
from torch import nn

from thesis_lib.config import LossConfig, Task
from thesis_lib.embeddings.encoders import speaker_encoder
from thesis_lib.losses import EmbeddingConsistency
from thesis_lib.runs.folder import Run
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.training.losses import signal_losses
from thesis_lib.training.segments import Segments
from thesis_lib.utils.progress import Progress, silent


def gradient_norms(run: Run, task: Task, progress: Progress = silent) -> dict[str, float]:
    """Norm of each signal loss's gradient with respect to the generator's parameters, on one training batch.

    Losses are unweighted. The speaker loss appears with both distances when the encoder has a gradient. Raises RunError
    with the command that trains the vocoder, or makes what it was trained on, where that is missing.
    """
    config = run.config
    generator = load_trained_vocoder(run, task).generator.requires_grad_(True)
    names = ("mel", "multi_scale_mel", "stft", "temporal")
    losses = signal_losses(config, LossConfig(**dict.fromkeys(names, 1.0)))
    encoder = speaker_encoder(config.encoders)
    if isinstance(encoder, nn.Module):
        for distance in ("cosine", "mse"):
            losses[f"speaker, {distance}"] = EmbeddingConsistency(encoder, config.audio.sample_rate, distance)
    batch = Segments(run, task, "train").batch(0)
    norms = {}
    for name, loss in progress(losses.items(), len(losses), "gradient norms"):
        generator.zero_grad(set_to_none=True)
        estimate = generator(batch.content, batch.speaker, batch.emotion)
        estimate, recording = batch.band_limited(estimate), batch.band_limited(batch.wav)
        loss(estimate.squeeze(1), recording.squeeze(1)).backward()
        gradients = [p.grad.norm() for p in generator.parameters() if p.grad is not None]
        norms[name] = float(torch.stack(gradients).norm())
    return norms
