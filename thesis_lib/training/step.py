"""One training step."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, cast

import torch
from torch import Tensor

from thesis_lib.losses import adversarial_loss, discriminator_loss, feature_matching_loss
from thesis_lib.training.errors import NonFinite, TrainingError
from thesis_lib.training.schedule import first_step
from thesis_lib.training.segments import Batch
from thesis_lib.training.state import State

Scores: TypeAlias = list[Tensor]  # one for each sub-discriminator
Features: TypeAlias = list[list[Tensor]]  # of each layer of each sub-discriminator


def train_step(state: State, batches: list[Batch]) -> dict[str, float]:
    """Update each network once over all batches together (gradient accumulation when there are several).

    Returns every loss, unweighted, the gradient norms before and after clipping and the learning rates. Raises
    NonFinite before it updates the network with the loss or gradient that is not finite, and TrainingError where no
    loss is active.
    """
    weights, training = state.recipe.losses, state.recipe.training
    adversarial = state.step >= training.adversarial_from and weights.adversarial + weights.feature_matching > 0
    single, share = len(batches) == 1, 1 / len(batches)
    log: dict[str, float] = defaultdict(float)
    real_features = []
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
            _backward(state, "discriminator", loss * share, batch)
            _add(log, share, discriminator=loss, score_real=_mean(real), score_fake=_mean(fake))
        log |= _update(state, "discriminator", batches)
    for number, batch in enumerate(batches):
        if not (adversarial and single):
            estimate, targets = _estimate(state, batch)
        losses = _signal_losses(state, estimate, targets, batch)
        if adversarial:
            losses |= _adversarial_losses(state, estimate, real_features[number], len(batch.wav))
        if not losses:
            raise TrainingError(f"step {state.step}: no loss is active: give one of losses.* a weight")
        total = sum(getattr(weights, name) * loss for name, loss in losses.items())
        _backward(state, "generator", total * share, batch)
        _add(log, share, **losses)
    log |= _update(state, "generator", batches)
    if state.average:
        state.average.update_parameters(state.generator)
    state.step += 1
    return dict(log)


def _estimate(state: State, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """Synthesise the batch under its own condition, (B, 1, N).

    With sampled target speakers the result is (2 B, 1, N), own condition first, with the targets' prototypes (B, S).
    """
    if state.speaker_sampler is None or state.step < first_step("sampled_speaker", state.recipe.training):
        return state.estimate(batch), None
    sampled, targets = state.speaker_sampler.sample(batch)
    both = (torch.cat([getattr(batch, name), getattr(sampled, name)]) for name in ("content", "speaker", "emotion"))
    content, speaker, emotion = both
    return state.estimate(replace(batch, content=content, speaker=speaker, emotion=emotion)), targets


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


def _add(log: dict[str, float], share: float, **values: Tensor) -> None:
    for name, value in values.items():
        log[name] += share * value.item()


def _backward(state: State, name: str, loss: Tensor, batch: Batch) -> None:
    _demand_finite(state, f"the {name} loss", loss.detach(), [batch])
    state.fabric.backward(loss, model=state.wrapped[name])


def _update(state: State, name: str, batches: list[Batch]) -> dict[str, float]:
    """Clip and step; the gradient norm before and after, and the learning rate."""
    optimizer, limit = state.optimizers[name], state.recipe.training.clip_norm
    wrapped = state.wrapped[name]
    norm = cast(Tensor, state.fabric.clip_gradients(wrapped, optimizer, max_norm=limit, error_if_nonfinite=False))
    # Under a loss scale an overflow is expected: the scaler skips the step and lowers the scale.
    if not state.fabric.strategy.precision.state_dict():
        _demand_finite(state, f"the {name} gradient", norm, batches)
    rate = state.rate(name)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    before = float(norm)
    return {f"{name}_norm": before, f"{name}_norm_clipped": min(before, limit), f"{name}_rate": rate}


def _demand_finite(state: State, name: str, value: Tensor, batches: list[Batch]) -> None:
    """Raise NonFinite on every device when the value is not finite on one of them, so that all stop together."""
    finite = torch.isfinite(value)
    if state.fabric.world_size > 1:
        finite = cast(Tensor, state.fabric.all_reduce(finite.float(), reduce_op="mean")) == 1
    if not finite:
        names = ", ".join(name for batch in batches for name in batch.ids)
        raise NonFinite(f"step {state.step}: {name} is {float(value)}; the batch was {names}")
