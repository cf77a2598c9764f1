"""Train the student of Kokoro's generator: its log-mels at four resolutions shall be those of Kokoro's speech.

Shapes: B batch, C content channels, T frames, N = 300 T samples at 24 kHz.

There is no discriminator: the output of the pipeline does not contain the student's samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from thesis_lib.cloning.tts_student import AUDIO, CONTENT, STATES, STYLE_HALF
from thesis_lib.config import IstftConfig
from thesis_lib.losses.spectral import MultiScaleMel
from thesis_lib.training.errors import TrainingError
from thesis_lib.training.tts.speech import TeacherUtterance
from thesis_lib.utils.progress import Progress, note, silent
from thesis_lib.vocoder.generators.istft import IstftGenerator

SCALES = ((300, 40), (600, 80), (1200, 80), (2400, 160))  # FFT size in samples, mel bands; 600 is Whisper's window
# Of a segment at each end, left out of the loss: the windows of the inverse STFT are incomplete there. The zero padding
# of the convolutions reaches further.
EDGE_FRAMES = 4
MAX_GRADIENT_NORM = 1.0
REPORTED_STEPS = 50  # between two values beside the progress bar


def _generator() -> IstftConfig:
    return IstftConfig(channels=192, blocks=4, expansion=2, excitation="harmonic")


@dataclass(frozen=True)
class StudentRecipe:
    """How a student is trained."""

    generator: IstftConfig = field(default_factory=_generator)
    steps: int = 8000
    warmup_steps: int = 200
    batch_size: int = 16
    frames: int = 48  # of a segment: 0.6 s
    learning_rate: float = 1e-3  # multiplied by min((step + 1) / warmup_steps, 1 - step / steps)
    betas: tuple[float, float] = (0.8, 0.99)
    weight_decay: float = 0.01
    seed: int = 0


def fit_student(
    spoken: Sequence[TeacherUtterance], recipe: StudentRecipe, progress: Progress = silent
) -> tuple[IstftGenerator, float]:
    """Train a student -> (the generator, in eval mode; the loss of the last steps, in nepers).

    Utterances shorter than a segment are left out. TrainingError where all are, and for a loss that is not finite.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    long = [one for one in spoken if one.content.shape[1] >= recipe.frames]
    if not long:
        raise TrainingError(f"no utterance has the {recipe.frames} frames of a segment: set fewer frames")
    net = IstftGenerator(AUDIO, CONTENT, recipe.generator, STYLE_HALF, STYLE_HALF)
    styles = torch.from_numpy(np.stack([one.style for one in long]))
    net.condition.speaker_statistics.fit(styles[:, :STYLE_HALF])
    net.condition.emotion_statistics.fit(styles[:, STYLE_HALF:])
    scale = content_scale(long)
    loss_of = MultiScaleMel(AUDIO, SCALES)
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=recipe.learning_rate, betas=recipe.betas, weight_decay=recipe.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / recipe.warmup_steps, 1 - step / recipe.steps)
    )
    lengths = np.array([one.content.shape[1] for one in long], float)
    inner = slice(EDGE_FRAMES * AUDIO.hop_length, -EDGE_FRAMES * AUDIO.hop_length)
    losses: list[float] = []
    steps = progress(range(recipe.steps), recipe.steps, "training")
    for step in steps:
        chosen = rng.choice(len(long), recipe.batch_size, p=lengths / lengths.sum())
        content, wav = _segments([long[i] for i in chosen], recipe.frames, rng)
        made = synthesised(net, content * scale, styles[chosen])
        loss = loss_of(made[:, inner], wav[:, inner])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if not np.isfinite(losses[-1]):
            raise TrainingError(f"step {step}: the loss is not finite: lower the learning rate")
        if step % REPORTED_STEPS == 0:
            note(steps, f"mel L1 {np.mean(losses[-REPORTED_STEPS:]):.3f}")
    fold_scale(net, scale)
    return net.eval().requires_grad_(False), float(np.mean(losses[-REPORTED_STEPS:]))


def synthesised(net: IstftGenerator, content: Tensor, style: Tensor) -> Tensor:
    """(B, C, T), (B, 256) -> (B, N)."""
    return net(content, style[:, :STYLE_HALF], style[:, STYLE_HALF:])[:, 0]


def fold_scale(net: IstftGenerator, scale: Tensor) -> None:
    """Make the scale (C, 1) of the content a part of the first layer's weights, in place."""
    with torch.no_grad():
        net.pre.weight.mul_(scale)


def content_scale(spoken: Sequence[TeacherUtterance]) -> Tensor:
    """(C, 1): 1 / the standard deviation of all states together, and of the energy; 1 for log-F0 and voicing."""
    rows = np.concatenate([one.content.astype(np.float32) for one in spoken], axis=1)
    scale = np.ones((len(rows), 1), np.float32)
    scale[:STATES] = 1 / max(rows[:STATES].std(), np.finfo(np.float32).tiny)
    scale[STATES] = 1 / max(rows[STATES].std(), np.finfo(np.float32).tiny)
    return torch.from_numpy(scale)


def _segments(spoken: Sequence[TeacherUtterance], frames: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A random segment of each utterance: content (B, C, T), samples (B, N)."""
    content, wavs, hop = [], [], AUDIO.hop_length
    for one in spoken:
        start = int(rng.integers(0, one.content.shape[1] - frames + 1))
        content.append(one.content[:, start : start + frames].astype(np.float32))
        wavs.append(one.wav[start * hop : (start + frames) * hop])
    return torch.from_numpy(np.stack(content)), torch.from_numpy(np.stack(wavs))
