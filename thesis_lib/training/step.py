"""One training step."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from thesis_lib.losses import adversarial_loss, discriminator_loss, feature_matching_loss
from thesis_lib.training.errors import TrainingError
from thesis_lib.training.schedule import first_step
from thesis_lib.training.segments import Batch
from thesis_lib.training.state import State
from thesis_lib.training.step_log import StepLog

Scores: TypeAlias = list[Tensor]  # one for each sub-discriminator
Features: TypeAlias = list[list[Tensor]]  # of each layer of each sub-discriminator


def train_step(state: State, batches: list[Batch]) -> dict[str, float]:
    """Update each network once over all batches together (gradient accumulation when there are several).

    Returns every loss, unweighted, the gradient norms before and after clipping and the learning rates. Raises
    NonFinite, with the network left as it was, when its loss or gradient is not finite, and TrainingError where no loss
    is active. The host waits for the device once, at the end; with 16-mixed also in each network's update, where the
    loss scaler reads whether a gradient overflowed, and with sampled target speakers for a batch of one, where its
    emotion embedding is read.
    """
    weights, training = state.recipe.losses, state.recipe.training
    adversarial = state.step >= training.adversarial_from and weights.adversarial + weights.feature_matching > 0
    single, share = len(batches) == 1, 1 / len(batches)
    log = StepLog(state.fabric)
    rates: dict[str, float] = {}
    real_features = []
    batches = [replace(batch, wav=batch.band_limited(batch.wav)) for batch in batches]
    for optimizer in state.optimizers.values():
        optimizer.zero_grad(set_to_none=True)
    if adversarial:
        for batch in batches:
            # With a single batch the generator's update below uses this estimate and its graph again.
            with torch.set_grad_enabled(single):
                estimate, targets = _estimate(state, batch)
            # Recordings and estimates in one pass; the features of the recordings serve feature matching too.
            scores, features = _float32(state.wrapped["discriminator"](torch.cat([batch.wav, estimate.detach()])))
            count = len(batch.wav)
            real, fake = [score[:count] for score in scores], [score[count:] for score in scores]
            real_features.append([[layer[:count].detach() for layer in layers] for layers in features])
            loss = discriminator_loss(fake, real)
            _backward(state, "discriminator", loss * share, batch, log)
            log.add({"discriminator": loss, "score_real": _mean(real), "score_fake": _mean(fake)}, share)
        rates |= _update(state, "discriminator", batches, log)
    for number, batch in enumerate(batches):
        if not (adversarial and single):
            estimate, targets = _estimate(state, batch)
        losses = _signal_losses(state, estimate, targets, batch)
        if adversarial:
            losses |= _adversarial_losses(state, estimate, real_features[number], len(batch.wav))
        if not losses:
            raise TrainingError(f"step {state.step}: no loss is active: give one of losses.* a weight")
        total = sum(getattr(weights, name) * loss for name, loss in losses.items())
        _backward(state, "generator", total * share, batch, log)
        log.add(losses, share)
    rates |= _update(state, "generator", batches, log)
    row = _with_rates(log.read(state.step), rates, training.clip_norm)
    if state.average:
        state.average.update_parameters(state.generator)
    state.step += 1
    return row


def _estimate(state: State, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """Synthesise the batch under its own condition, (B, 1, N), in the band of its recordings.

    With sampled target speakers the result is (2 B, 1, N), own condition first, with the targets' prototypes (B, S).
    """
    if state.speaker_sampler is None or state.step < first_step("sampled_speaker", state.recipe.training):
        return batch.band_limited(state.estimate(batch)), None
    sampled, targets = state.speaker_sampler.sample(batch)
    both = (torch.cat([getattr(batch, name), getattr(sampled, name)]) for name in ("content", "speaker", "emotion"))
    content, speaker, emotion = both
    estimate = state.estimate(replace(batch, content=content, speaker=speaker, emotion=emotion))
    return batch.band_limited(estimate), targets


def _signal_losses(state: State, estimate: Tensor, targets: Tensor | None, batch: Batch) -> dict[str, Tensor]:
    """The active losses that need no discriminator. The content loss takes sampled target speakers too."""
    recording, estimate = batch.wav.squeeze(1), estimate.squeeze(1)
    own = estimate[: len(recording)]
    repeats = len(estimate) // len(own)
    losses = {
        name: loss(own, recording) if name != "content" else loss(estimate, recording.repeat(repeats, 1))
        for name, loss in state.losses.items()
        if state.step >= first_step(name, state.recipe.training)
    }
    if state.speaker_sampler is not None and targets is not None:
        losses["sampled_speaker"] = state.speaker_sampler.loss.towards(estimate[len(own) :], targets)
    return losses


def _adversarial_losses(state: State, estimate: Tensor, real: Features, count: int) -> dict[str, Tensor]:
    """The generator's losses by the discriminator; feature matching needs the ``count`` items that have a recording."""
    # Read-only: the generator's update must not leave gradients in the discriminator.
    state.discriminator.requires_grad_(False)
    with state.fabric.autocast():
        fake, features = state.discriminator(estimate)
    state.discriminator.requires_grad_(True)
    fake, features = _float32((fake, features))
    own = [[layer[:count] for layer in layers] for layers in features]
    return {"adversarial": adversarial_loss(fake), "feature_matching": feature_matching_loss(own, real)}


def _float32(found: tuple[Scores, Features]) -> tuple[Scores, Features]:
    """Scores and features of half precision in float32: the square of a score of 300 is above float16's 65,504."""
    scores, features = found
    return [_widened(score) for score in scores], [[_widened(layer) for layer in layers] for layers in features]


def _widened(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _mean(scores: Sequence[Tensor]) -> Tensor:
    return torch.stack([score.mean() for score in scores]).mean()


def _backward(state: State, name: str, loss: Tensor, batch: Batch, log: StepLog) -> None:
    log.check(f"the {name} loss", loss, batch.ids)
    state.fabric.backward(loss, model=state.wrapped[name])


def _update(state: State, name: str, batches: list[Batch], log: StepLog) -> dict[str, float]:
    """Clip and step, unless a value checked so far is not finite; the learning rate, by the name of its column."""
    optimizer, limit = state.optimizers[name], state.recipe.training.clip_norm
    wrapped = state.wrapped[name]
    norm = cast(Tensor, state.fabric.clip_gradients(wrapped, optimizer, max_norm=limit, error_if_nonfinite=False))
    log.add({f"{name}_norm": norm})
    # Under a loss scale an overflow is expected: the scaler skips the step and lowers the scale.
    if not state.fabric.strategy.precision.state_dict():
        log.check(f"the {name} gradient", norm, [id for batch in batches for id in batch.ids])
    failed = log.failed()
    if optimizer.defaults["fused"]:
        # It leaves weights, moments and its count of steps as they are where this is 1. The optimizer of 16-mixed is
        # not fused and refuses the attribute: there the loss scaler leaves the update out.
        cast(Any, optimizer).optimizer.found_inf = failed
    rate = state.rate(name)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    return {f"{name}_rate": rate}


def _with_rates(row: dict[str, float], rates: dict[str, float], limit: float) -> dict[str, float]:
    """The row of the log in its order: of each network its losses, gradient norms and learning rate."""
    found: dict[str, float] = {}
    for name, value in row.items():
        found[name] = value
        network = name.removesuffix("_norm")
        if network != name:
            found |= {f"{name}_clipped": min(value, limit), f"{network}_rate": rates[f"{network}_rate"]}
    return found
