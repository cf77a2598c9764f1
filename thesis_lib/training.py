"""Training: one step on one page, checkpoints, exact resume.

The schedule for a short budget: spectral losses alone first, adversarial and encoder losses last
(``adversarial_from``, ``auxiliary_from``). Resynthesis starts from HiFi-GAN universal's weights; FiLM starts as the
identity, so step 0 is that published vocoder.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import ExponentialLR

from thesis_lib import checkpoints
from thesis_lib.config import Config, LossConfig, Recipe, Task
from thesis_lib.dataset import Batch, Segments, embedded
from thesis_lib.discriminators import Discriminator
from thesis_lib.encoders import Encoder, emotion_encoder, speaker_encoder
from thesis_lib.errors import ThesisError
from thesis_lib.generators import Generator, build
from thesis_lib.losses import (
    EmbeddingConsistency,
    MelLoss,
    MultiScaleMel,
    TemporalConsistency,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
    multi_resolution_stft_loss,
)
from thesis_lib.runs import Progress, Run, commit, silent
from thesis_lib.synthesis import Vocoder, universal_state

VALIDATION_BATCHES = 4  # fixed batches of the validation split whose mel loss is logged with each checkpoint
KEEP = 2  # checkpoints
COMPONENT_UTTERANCES = 50  # of the training split, whose frames give the phonetic content's principal components
AUXILIARY = ("speaker", "emotion")  # losses that begin at ``auxiliary_from``; the other signal losses at once

SignalLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # (B, N) estimate, (B, N) reference -> scalar


class TrainingError(ThesisError):
    """Training that cannot go on; the message names the batch or the file."""


@dataclass
class State:
    """All that a step changes."""

    generator: Generator
    discriminator: Discriminator
    optimizers: dict[str, AdamW]
    schedulers: dict[str, ExponentialLR]
    losses: dict[str, SignalLoss]  # those of a waveform against another, by the name of their weight
    step: int = 0
    seconds: float = 0.0  # of training so far, all sessions together

    @classmethod
    def create(cls, config: Config, task: Task, data: Segments) -> "State":
        """Seeded weights, or the published ones under an identity condition."""
        recipe = config.recipe(task)
        training = recipe.training
        torch.manual_seed(training.seed)
        dims = data.speaker.shape[1], data.emotion.shape[1]
        generator = build(config.audio, recipe.content, recipe.generator, *dims)
        generator.condition.speaker_statistics.fit(data.speaker)
        generator.condition.emotion_statistics.fit(data.emotion)
        if recipe.content.kind == "phonetic":
            generator.reduce.fit(data.phonetic_rows(COMPONENT_UTTERANCES))
        if training.warm_start == "hifigan-universal":
            generator.load_hifigan(universal_state())
        networks = {"generator": generator, "discriminator": Discriminator(recipe.discriminator)}
        optimizers = {
            name: AdamW(network.parameters(), training.learning_rate, training.betas)
            for name, network in networks.items()
        }
        schedulers = {name: ExponentialLR(optimizer, training.lr_decay) for name, optimizer in optimizers.items()}
        losses = signal_losses(config, recipe.losses)
        return cls(**networks, optimizers=optimizers, schedulers=schedulers, losses=losses)

    def save(self, folder: Path, config: Config) -> None:
        """One self-describing checkpoint; the oldest go."""
        tensors = {
            **checkpoints.with_prefix("generator", self.generator.state_dict()),
            **checkpoints.with_prefix("discriminator", self.discriminator.state_dict()),
            "rng": torch.get_rng_state(),
        }
        groups = {}
        for name, optimizer in self.optimizers.items():
            slots, groups[name] = checkpoints.flatten_optimizer(f"optimizer_{name}", optimizer)
            tensors |= slots
        meta = {
            "step": self.step,
            "seconds": self.seconds,
            "optimizers": groups,
            "schedulers": {name: scheduler.state_dict() for name, scheduler in self.schedulers.items()},
            "config": json.loads(config.model_dump_json()),
            "commit": commit(),
        }
        checkpoints.save(checkpoints.step_folder(folder, self.step), tensors, meta)
        checkpoints.keep_last(folder, KEEP)

    def restore(self, folder: Path) -> None:
        """Continue from one checkpoint. CheckpointError when it is damaged."""
        tensors, meta = checkpoints.load(folder)
        self.generator.load_state_dict(checkpoints.without_prefix("generator", tensors), strict=True)
        self.discriminator.load_state_dict(checkpoints.without_prefix("discriminator", tensors), strict=True)
        for name, optimizer in self.optimizers.items():
            checkpoints.restore_optimizer(f"optimizer_{name}", optimizer, tensors, meta["optimizers"][name])
            self.schedulers[name].load_state_dict(meta["schedulers"][name])
        torch.set_rng_state(tensors["rng"])
        self.step, self.seconds = meta["step"], meta["seconds"]


def signal_losses(config: Config, weights: LossConfig) -> dict[str, SignalLoss]:
    """The losses of two waveforms whose weight is not zero. TrainingError when an encoder gives no gradient."""
    audio = config.audio

    def consistency(encoder: Encoder, name: str) -> SignalLoss:
        if not isinstance(encoder, nn.Module):
            raise TrainingError(
                f"{encoder.name} has no gradient, so losses.{name} cannot use it: "
                f"set that weight to 0, or encoders.{name} to a neural encoder"
            )
        return EmbeddingConsistency(encoder, audio.sample_rate, weights.embedding_distance)

    makers = {
        "mel": lambda: MelLoss(audio),
        "multi_scale_mel": lambda: MultiScaleMel(audio),
        "stft": lambda: multi_resolution_stft_loss,
        "temporal": lambda: TemporalConsistency(audio),
        "speaker": lambda: consistency(speaker_encoder(config.encoders), "speaker"),
        "emotion": lambda: consistency(emotion_encoder(config.encoders), "emotion"),
    }
    return {name: make() for name, make in makers.items() if getattr(weights, name) > 0}


def train_step(state: State, batch: Batch, recipe: Recipe) -> dict[str, float]:
    """One optimizer step of each network; returns every loss, unweighted, and the gradient norms.

    Raises TrainingError, before anything is updated, when a loss is not finite.
    """
    weights, training = recipe.losses, recipe.training
    estimate = state.generator(batch.content, batch.speaker, batch.emotion)
    losses = {
        name: loss(estimate.squeeze(1), batch.wav.squeeze(1))
        for name, loss in state.losses.items()
        if name not in AUXILIARY or state.step >= training.auxiliary_from
    }
    log = {}
    if state.step >= training.adversarial_from and weights.adversarial + weights.feature_matching > 0:
        real, real_features = state.discriminator(batch.wav)
        fake, _ = state.discriminator(estimate.detach())
        loss = discriminator_loss(fake, real)
        log["discriminator"] = loss.item()
        log["discriminator_norm"] = _update(state, "discriminator", loss, training.clip_norm, batch)
        # Read-only here: the generator's step must not leave gradients in the discriminator.
        state.discriminator.requires_grad_(False)
        fake, fake_features = state.discriminator(estimate)
        state.discriminator.requires_grad_(True)
        losses["adversarial"] = adversarial_loss(fake)
        losses["feature_matching"] = feature_matching_loss(fake_features, real_features)
    total = sum(getattr(weights, name) * loss for name, loss in losses.items())
    log |= {name: loss.item() for name, loss in losses.items()}
    log["generator_norm"] = _update(state, "generator", total, training.clip_norm, batch)
    state.step += 1
    if state.step % training.decay_every == 0:
        for name, scheduler in state.schedulers.items():
            # A discriminator that has not begun keeps its first rate.
            if f"{name}_norm" in log:
                scheduler.step()
    return log


def gradient_norms(run: Run, task: Task, progress: Progress = silent) -> dict[str, float]:
    """Norm of each signal loss's gradient at the trained generator, unweighted, on one training batch.

    The speaker loss is there in both its forms when the encoder has a gradient. A loss that moves nothing has 0.
    """
    config = run.config
    generator = train(run, task, progress).generator.requires_grad_(True)
    names = ("mel", "multi_scale_mel", "stft", "temporal")
    losses = signal_losses(config, LossConfig(**dict.fromkeys(names, 1.0)))
    encoder = speaker_encoder(config.encoders)
    if isinstance(encoder, nn.Module):
        for distance in ("cosine", "mse"):
            losses[f"speaker, {distance}"] = EmbeddingConsistency(encoder, config.audio.sample_rate, distance)
    batch = Segments(run, task, "train", progress).batch(0)
    norms = {}
    for name, loss in losses.items():
        generator.zero_grad(set_to_none=True)
        estimate = generator(batch.content, batch.speaker, batch.emotion)
        loss(estimate.squeeze(1), batch.wav.squeeze(1)).backward()
        gradients = [p.grad.norm() for p in generator.parameters() if p.grad is not None]
        norms[name] = float(torch.stack(gradients).norm())
    return norms


def _update(state: State, name: str, loss: torch.Tensor, clip_norm: float, batch: Batch) -> float:
    """Backward, clip, step; returns the gradient norm before clipping."""
    if not math.isfinite(loss.item()):
        raise TrainingError(
            f"step {state.step}: the {name} loss is {loss.item()}; the batch was {', '.join(batch.ids)}"
        )
    network: nn.Module = getattr(state, name)
    optimizer = state.optimizers[name]
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
    optimizer.step()
    return float(norm)


@torch.no_grad()
def validation_mel(state: State, data: Segments, loss: MelLoss) -> float:
    """Mel loss of fixed segments of speakers that training does not see."""
    state.generator.eval()
    total = 0.0
    for number in range(VALIDATION_BATCHES):
        batch = data.batch(number)
        estimate = state.generator(batch.content, batch.speaker, batch.emotion)
        total += float(loss(estimate.squeeze(1), batch.wav.squeeze(1)))
    state.generator.train()
    return total / VALIDATION_BATCHES


def train(run: Run, task: Task, progress: Progress = silent) -> Vocoder:
    """Train, or go on training, until ``steps`` or ``max_minutes``; the result is in the run's TASK/vocoder/.

    Interrupted, it goes on from the last checkpoint. TASK/metrics.jsonl holds one line a step.
    """
    config, home = run.config, run.path / task
    recipe, folder = config.recipe(task), home / "vocoder"
    if (folder / checkpoints.WEIGHTS).exists():
        return Vocoder.from_pretrained(folder)
    data, held_out = Segments(run, task, "train", progress), Segments(run, task, "validation", progress)
    state = State.create(config, task, data)
    saved = checkpoints.latest(home / "checkpoints")
    if saved:
        state.restore(saved)
    embeddings = embedded(run, progress)
    log_path = home / "metrics.jsonl"
    lines = _lines_before(log_path, state.step)
    home.mkdir(exist_ok=True)
    with open(log_path, "w", encoding="utf-8") as log:
        log.writelines(lines)
        _loop(run, task, state, data, held_out, log, progress)
    meta = {
        "task": task,
        "audio": config.audio.model_dump(),
        "content": recipe.content.model_dump(),
        "generator": recipe.generator.model_dump(),
        "speaker_dim": data.speaker.shape[1],
        "emotion_dim": data.emotion.shape[1],
        "speaker_encoder": embeddings.speaker_encoder,
        "emotion_encoder": embeddings.emotion_encoder,
        "steps": state.step,
        "minutes": round(state.seconds / 60, 2),
        "stopped_by": "steps" if state.step >= recipe.training.steps else "max_minutes",
        "stamp": run.stamp(),
    }
    Vocoder(state.generator.fold_weight_norm(), meta).save_pretrained(folder)
    return Vocoder.from_pretrained(folder)


def _loop(run: Run, task: Task, state: State, data: Segments, held_out: Segments, log, progress: Progress) -> None:
    recipe = run.config.recipe(task)
    training, mel = recipe.training, MelLoss(run.config.audio)
    if state.step == 0:
        _write(log, {"step": 0, "validation_mel": validation_mel(state, held_out, mel)})
    for step in progress(range(state.step, training.steps), training.steps - state.step, f"train {task}"):
        started = time.monotonic()
        row = train_step(state, data.batch(step), recipe)
        state.seconds += time.monotonic() - started
        row = {"step": state.step, "seconds": round(state.seconds, 3), **row}
        row["learning_rate"] = state.optimizers["generator"].param_groups[0]["lr"]
        out_of_time = training.max_minutes is not None and state.seconds >= 60 * training.max_minutes
        last = out_of_time or state.step == training.steps
        if last or state.step % training.checkpoint_every == 0:
            row["validation_mel"] = validation_mel(state, held_out, mel)
        _write(log, row)
        if "validation_mel" in row:
            # After the log line: a checkpoint never stands ahead of its own record.
            state.save(run.path / task / "checkpoints", run.config)
        if out_of_time:
            break


def _write(log, row: dict) -> None:
    log.write(json.dumps(row) + "\n")
    log.flush()


def _lines_before(path: Path, step: int) -> list[str]:
    """The log up to a step: steps that are done again are logged again."""
    if not path.exists():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        # A line cut short by a kill is the last one and belongs to a step that is done again.
        if line.endswith("\n") and json.loads(line)["step"] <= step:
            kept.append(line)
    return kept
