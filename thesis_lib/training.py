"""Training: one step on one page, checkpoints, exact resume.

The schedule for a short budget: mel loss alone first, adversarial steps last (``adversarial_from``), from
HiFi-GAN universal's weights; FiLM starts as the identity, so step 0 is that published vocoder.
"""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import ExponentialLR

from thesis_lib import checkpoints
from thesis_lib.audio import LogMel
from thesis_lib.config import Config
from thesis_lib.dataset import Batch, Embeddings, Segments, embedded, prepared
from thesis_lib.discriminators import Discriminator
from thesis_lib.errors import ThesisError
from thesis_lib.generator import Generator
from thesis_lib.losses import adversarial_loss, discriminator_loss, feature_matching_loss, mel_loss
from thesis_lib.runs import Progress, Run, commit, silent
from thesis_lib.synthesis import Vocoder, universal_state

VALIDATION_BATCHES = 4  # fixed batches of the validation split whose mel loss is logged with each checkpoint
KEEP = 2  # checkpoints


class TrainingError(ThesisError):
    """Training that cannot go on; the message names the batch or the file."""


@dataclass
class State:
    """All that a step changes."""

    generator: Generator
    discriminator: Discriminator
    optimizers: dict[str, AdamW]
    schedulers: dict[str, ExponentialLR]
    log_mel: LogMel  # to the Nyquist frequency, as the official loss; the input mel ends at fmax
    step: int = 0
    seconds: float = 0.0  # of training so far, all sessions together

    @classmethod
    def create(cls, config: Config, embeddings: Embeddings, data: Segments) -> "State":
        """Seeded weights, or the published ones under an identity condition."""
        torch.manual_seed(config.training.seed)
        dims = embeddings.speaker["source"].shape[1], embeddings.emotion["source"].shape[1]
        generator = Generator(config.audio, config.generator, *dims)
        generator.condition.speaker_statistics.fit(data.speaker)
        generator.condition.emotion_statistics.fit(data.emotion)
        if config.training.warm_start == "hifigan-universal":
            generator.load_hifigan(universal_state())
        networks = {"generator": generator, "discriminator": Discriminator(config.discriminator)}
        training = config.training
        optimizers = {
            name: AdamW(network.parameters(), training.learning_rate, training.betas)
            for name, network in networks.items()
        }
        schedulers = {name: ExponentialLR(optimizer, training.lr_decay) for name, optimizer in optimizers.items()}
        full_band = config.audio.model_copy(update={"fmax": config.audio.sample_rate / 2})
        return cls(**networks, optimizers=optimizers, schedulers=schedulers, log_mel=LogMel(full_band))

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


def train_step(state: State, batch: Batch, config: Config) -> dict[str, float]:
    """One optimizer step of each network; returns every loss, unweighted, and the gradient norms.

    Raises TrainingError, before anything is updated, when a loss is not finite.
    """
    weights, training = config.losses, config.training
    estimate = state.generator(batch.mel, batch.speaker, batch.emotion)
    losses = {"mel": mel_loss(state.log_mel(estimate.squeeze(1)), state.log_mel(batch.wav.squeeze(1)))}
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
        for scheduler in state.schedulers.values():
            scheduler.step()
    return log


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
def validation_mel(state: State, data: Segments) -> float:
    """Mel loss of fixed segments of speakers that training does not see."""
    total = 0.0
    for number in range(VALIDATION_BATCHES):
        batch = data.batch(number)
        estimate = state.generator(batch.mel, batch.speaker, batch.emotion).squeeze(1)
        total += float(mel_loss(state.log_mel(estimate), state.log_mel(batch.wav.squeeze(1))))
    return total / VALIDATION_BATCHES


def train(run: Run, progress: Progress = silent) -> Vocoder:
    """Train, or go on training, until ``steps`` or ``max_minutes``; the result is in the run's vocoder/.

    Interrupted, it goes on from the last checkpoint. metrics.jsonl holds one line a step.
    """
    folder, config = run.path / "vocoder", run.config
    if (folder / checkpoints.WEIGHTS).exists():
        return Vocoder.from_pretrained(folder)
    manifest, embeddings = prepared(run, progress), embedded(run, progress)
    data = Segments(manifest, embeddings, "train", config)
    held_out = Segments(manifest, embeddings, "validation", config)
    state = State.create(config, embeddings, data)
    saved = checkpoints.latest(run.path / "checkpoints")
    if saved:
        state.restore(saved)
    log_path = run.path / "metrics.jsonl"
    lines = _lines_before(log_path, state.step)
    with open(log_path, "w", encoding="utf-8") as log:
        log.writelines(lines)
        if not saved:
            _write(log, {"step": 0, "validation_mel": validation_mel(state, held_out)})
        _loop(run, state, data, held_out, log, progress)
    meta = {
        "audio": config.audio.model_dump(),
        "generator": config.generator.model_dump(),
        "speaker_dim": data.speaker.shape[1],
        "emotion_dim": data.emotion.shape[1],
        "speaker_encoder": embeddings.speaker_encoder,
        "emotion_encoder": embeddings.emotion_encoder,
        "steps": state.step,
        "minutes": round(state.seconds / 60, 2),
        "stopped_by": "steps" if state.step >= config.training.steps else "max_minutes",
        "stamp": run.stamp(),
    }
    Vocoder(state.generator.fold_weight_norm(), config.audio, meta).save_pretrained(folder)
    return Vocoder.from_pretrained(folder)


def _loop(run: Run, state: State, data: Segments, held_out: Segments, log, progress: Progress) -> None:
    training = run.config.training
    for step in progress(range(state.step, training.steps), training.steps - state.step, "train"):
        started = time.monotonic()
        row = train_step(state, data.batch(step), run.config)
        state.seconds += time.monotonic() - started
        row = {"step": state.step, "seconds": round(state.seconds, 3), **row}
        row["learning_rate"] = state.optimizers["generator"].param_groups[0]["lr"]
        out_of_time = training.max_minutes is not None and state.seconds >= 60 * training.max_minutes
        last = out_of_time or state.step == training.steps
        if last or state.step % training.checkpoint_every == 0:
            row["validation_mel"] = validation_mel(state, held_out)
        _write(log, row)
        if "validation_mel" in row:
            # After the log line: a checkpoint never stands ahead of its own record.
            state.save(run.path / "checkpoints", run.config)
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
