"""A small network that predicts F0 and energy of every frame from phonetic content, emotion and F0 statistics.

It is one of the ways that ``prosody_ways`` compares. The F0 is predicted as the distance from the recording's log-F0
median, the energy as the distance from its mean; level and duration are given by the pipeline.

Shapes: B batch, P phonetic channels, T frames, H hidden channels, D condition size, N samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from benchmarks.emotion import ENERGY_CHANNEL, VOICING_CHANNEL
from thesis_lib.audio.files import resample
from thesis_lib.audio.pitch import (
    MAX_F0_HZ,
    MIN_F0_HZ,
    MIN_LOG_F0_STD,
    PITCH_CENTRE,
    PITCH_CHANNEL,
    PITCH_SCALE,
    Pitch,
)
from thesis_lib.audio.voice_activity import RATE, speech_segments
from thesis_lib.cloning import VoiceCloningPipeline
from thesis_lib.cloning.prosody import NEUTRAL_LOG_F0_STD
from thesis_lib.vocoder.content import ENERGY_SCALE, MAX_BELOW_PEAK_NEPERS, PHONETIC
from thesis_lib.vocoder.rendering import BaseVocoder
from thesis_lib.vocoder.voice import Voice

HIDDEN, KERNEL, DILATIONS = 64, 5, (1, 3, 9, 27)  # the receptive field is 80 frames, 0.9 s, each side
DROPOUT = 0.2  # of the phonetic channels
LEARNING_RATE, WEIGHT_DECAY, BATCH, EPOCHS = 2e-3, 1e-2, 16, 12
F0, ENERGY = 0, 1  # of the output


@dataclass(frozen=True)
class Example:
    """A recording for training."""

    speaker: str
    content: np.ndarray  # (P + 3, T), of the vocoder
    voice: Voice

    @property
    def voiced(self) -> np.ndarray:
        """Which frames have an F0: (T,) of bool."""
        return pitch_of(self.content).voiced

    @property
    def spoken(self) -> np.ndarray:
        """Which frames hold speech: (T,) of bool."""
        return spoken_frames(self.content[ENERGY_CHANNEL])

    @property
    def target(self) -> np.ndarray:
        """(2, T): distance of log-F0 from the recording's median, in neutral deviations, and of energy from its mean.

        The energy's mean is over the frames with speech.
        """
        log_f0, energy = pitch_of(self.content).log_f0, self.content[ENERGY_CHANNEL]
        relative = (log_f0 - np.median(log_f0[self.voiced])) / NEUTRAL_LOG_F0_STD
        return np.stack([relative, energy - energy[self.spoken].mean()]).astype(np.float32)


class ProsodyModel(nn.Module):
    """Dilated residual convolutions, modulated by the condition (FiLM, arXiv:1709.07871)."""

    def __init__(self, condition_size: int) -> None:
        super().__init__()
        self.content = nn.Conv1d(PHONETIC + 1, HIDDEN, 1)
        self.blocks = nn.ModuleList(
            nn.Conv1d(HIDDEN, HIDDEN, KERNEL, dilation=step, padding=step * (KERNEL // 2)) for step in DILATIONS
        )
        self.films = nn.ModuleList(nn.Linear(condition_size, 2 * HIDDEN) for _ in DILATIONS)
        self.output = nn.Conv1d(HIDDEN, 2, 1)
        self.register_buffer("mean", torch.zeros(condition_size))
        self.register_buffer("deviation", torch.ones(condition_size))

    def forward(self, phonetic: Tensor, voicing: Tensor, condition: Tensor) -> Tensor:
        """(B, P, T), (B, 1, T), (B, D) -> (B, 2, T)."""
        hidden = self.content(torch.cat([F.dropout(phonetic, DROPOUT, self.training), voicing], 1))
        given = (condition - self.mean) / self.deviation
        for block, film in zip(self.blocks, self.films, strict=True):
            gain, offset = film(given).unsqueeze(-1).chunk(2, 1)
            hidden = hidden + F.gelu((1 + gain) * block(hidden) + offset)
        return self.output(hidden)

    @torch.inference_mode()
    def predict(self, content: np.ndarray, voice: Voice) -> np.ndarray:
        """(P + 3, T) and the source's voice -> (2, T), as ``Example.target``."""
        inputs = torch.from_numpy(content)[None]
        return self(inputs[:, :PHONETIC], inputs[:, VOICING_CHANNEL:], condition_of(voice)[None])[0].numpy()


def condition_of(voice: Voice) -> Tensor:
    """Emotion embedding, log-F0 median and log of the log-F0 standard deviation: (D,)."""
    assert voice.log_f0_median is not None
    assert voice.log_f0_std is not None
    statistics = [voice.log_f0_median, np.log(max(voice.log_f0_std, MIN_LOG_F0_STD))]
    return torch.from_numpy(np.append(voice.vectors()[1], statistics)).float()


def pitch_of(content: np.ndarray) -> Pitch:
    """The F0 contour in content features (P + 3, T)."""
    return Pitch(PITCH_CENTRE + PITCH_SCALE * content[PITCH_CHANNEL], content[VOICING_CHANNEL])


def spoken_frames(energy: np.ndarray) -> np.ndarray:
    """Which frames of the energy channel (T,) hold speech: (T,) of bool."""
    return energy >= energy.max() - MAX_BELOW_PEAK_NEPERS / ENERGY_SCALE


def examples_of(pipeline: VoiceCloningPipeline, recordings: Sequence[tuple[str, np.ndarray]]) -> list[Example]:
    """Speaker and (N,) at RATE of each recording -> the examples; one without enough voiced speech is left out."""
    vocoder, found = pipeline.vocoder, []
    for speaker, wav in tqdm(recordings, "content"):
        segments = list(speech_segments([wav], RATE))
        if not segments:
            continue
        voice = pipeline.analyse_speaker(segments, alone=True).voice
        speech = np.concatenate([segment.wav for segment in segments])
        example = Example(speaker, vocoder.features(resample(speech, RATE, vocoder.sample_rate))[0], voice)
        if voice.log_f0_median is not None and voice.log_f0_std is not None and pitch_of(example.content).is_voiced:
            found.append(example)
    return found


def trained_prosody_model(examples: Sequence[Example], seed: int, epochs: int = EPOCHS) -> ProsodyModel:
    """Train a model: absolute error of F0 over the voiced frames and of the energy over those with speech."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    conditions = torch.stack([condition_of(example.voice) for example in examples])
    model = ProsodyModel(conditions.shape[1])
    model.mean, model.deviation = conditions.mean(0), conditions.std(0).clamp_min(1e-3)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    batches = -(-len(examples) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * batches)
    for _ in range(epochs):
        for chosen in np.array_split(rng.permutation(len(examples)), batches):
            content, target, mask = batch_of([examples[i] for i in chosen])
            made = model(content[:, :PHONETIC], content[:, VOICING_CHANNEL:], conditions[chosen])
            loss = ((made - target).abs() * mask).sum((0, 2)) / mask.sum((0, 2))
            optimizer.zero_grad()
            loss.sum().backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return model.eval()


def batch_of(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Content (B, P + 3, T), target (B, 2, T) and mask (B, 2, T), padded with zeros to the longest."""
    length = max(example.content.shape[1] for example in examples)

    def padded(arrays: list[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack([np.pad(x, ((0, 0), (0, length - x.shape[1]))) for x in arrays]))

    masks = [np.stack([example.voiced, example.spoken]).astype(np.float32) for example in examples]
    return padded([e.content for e in examples]), padded([e.target for e in examples]), padded(masks)


def held_out_models(
    examples: Sequence[Example], speakers: Sequence[str], folds: int, epochs: int = EPOCHS
) -> dict[str, ProsodyModel]:
    """Speaker -> a model that was trained without the recordings of the speaker; the speakers are in ``folds`` groups.

    Examples of other speakers than these are in every model's training.
    """
    found = {}
    for fold in tqdm(range(min(folds, len(speakers))), "models"):
        held_out = set(sorted(speakers)[fold::folds])
        others = [example for example in examples if example.speaker not in held_out]
        found |= dict.fromkeys(held_out, trained_prosody_model(others, fold, epochs))
    return found


def frame_correlations(example: Example, model: ProsodyModel) -> list[float]:
    """Correlation over the frames of predicted and own F0, and of predicted and own energy; NaN of a constant."""
    made, target = model.predict(example.content, example.voice), example.target
    frames = example.voiced, example.spoken
    return [float(np.corrcoef(made[row, mask], target[row, mask])[0, 1]) for row, mask in enumerate(frames)]


class ModelledVocoder:
    """A vocoder that renders F0 and energy as a model predicts them for the emotion of one source."""

    def __init__(self, vocoder: BaseVocoder, model: ProsodyModel, source: Voice) -> None:
        self.sample_rate, self.mean_emotion = vocoder.sample_rate, vocoder.mean_emotion
        self._vocoder, self._model, self._source = vocoder, model, source

    def render(self, wav: np.ndarray, voice: Voice, guidance: float = 1.0, stretch: float = 1.0) -> np.ndarray:
        """(N,) -> (N,) float32; ``stretch`` must be 1. The F0 is moved to the statistics of the voice, where given."""
        if stretch != 1.0:
            raise ValueError(f"stretch {stretch}: only 1 is rendered")
        content = self._vocoder.features(wav)[0]
        made = self._model.predict(content, self._source)
        changed = with_prosody(content, made, voice.log_f0_median, voice.log_f0_std)
        return self._vocoder.samples(changed[None], voice, guidance)[: len(wav)]


def with_prosody(
    content: np.ndarray, made: np.ndarray, log_f0_median: float | None, log_f0_std: float | None = None
) -> np.ndarray:
    """Content (P + 3, T) with a predicted F0 and energy (2, T), at a log-F0 median and standard deviation.

    Without a standard deviation the predicted one stays. Pauses keep their energy, and so does the mean of the speech.
    """
    changed, pitch, energy = content.copy(), pitch_of(content), content[ENERGY_CHANNEL]
    if pitch.is_voiced:
        frames, voiced = np.arange(content.shape[1]), pitch.voiced
        contour = pitch.range.log_f0_median + NEUTRAL_LOG_F0_STD * made[F0]
        limited = np.clip(contour, np.log(MIN_F0_HZ), np.log(MAX_F0_HZ))
        through = np.interp(frames, frames[voiced], limited[voiced]).astype(np.float32)
        moved = Pitch(through, pitch.voicing).moved(log_f0_median, log_f0_std)
        changed[PITCH_CHANNEL] = (moved.log_f0 - PITCH_CENTRE) / PITCH_SCALE
    spoken = spoken_frames(energy)
    changed[ENERGY_CHANNEL, spoken] = energy[spoken].mean() + made[ENERGY, spoken] - made[ENERGY, spoken].mean()
    return changed
