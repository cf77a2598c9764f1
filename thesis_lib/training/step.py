"""One training step, on one page."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from thesis_lib.losses import adversarial_loss, discriminator_loss, feature_matching_loss
from thesis_lib.training.errors import NonFinite
from thesis_lib.training.segments import Batch
from thesis_lib.training.state import State

# Losses that begin at ``auxiliary_from``; the other signal losses begin at once.
AUXILIARY = ("speaker", "emotion", "content")


def train_step(state: State, batches: list[Batch]) -> dict[str, float]:
    """One optimizer step of each network over the batches together (gradient accumulation when there are several).

    Returns every loss, unweighted, the gradient norms before and after clipping and the learning rates. Raises
    NonFinite before the network whose loss or gradient it is gets updated.
    """
    weights, training = state.recipe.losses, state.recipe.training
    adversarial = state.step >= training.adversarial_from and weights.adversarial + weights.feature_matching > 0
    alone, share = len(batches) == 1, 1 / len(batches)
    log: dict[str, float] = defaultdict(float)
    real_features = []
    for optimizer in state.optimizers.values():
        optimizer.zero_grad(set_to_none=True)
    if adversarial:
        for batch in batches:
            # One batch alone: the generator's step below uses this estimate and its graph again.
            with torch.set_grad_enabled(alone):
                spoken, targets = _speak(state, batch)
            # Real and fake in one pass; what it says of the real ones serves feature matching too.
            scores, features = state.wrapped["discriminator"](torch.cat([batch.wav, spoken.detach()]))
            count = len(batch.wav)
            real, fake = [score[:count] for score in scores], [score[count:] for score in scores]
            real_features.append([[layer[:count].detach() for layer in part] for part in features])
            loss = discriminator_loss(fake, real)
            _backward(state, "discriminator", loss * share, batch)
            _add(log, share, discriminator=loss, score_real=_mean(real), score_fake=_mean(fake))
        log |= _update(state, "discriminator", batches)
    for number, batch in enumerate(batches):
        if not (adversarial and alone):
            spoken, targets = _speak(state, batch)
        losses = _signal_losses(state, spoken, targets, batch)
        if adversarial:
            # Read-only here: the generator's step must not leave gradients in the discriminator.
            state.discriminator.requires_grad_(False)
            with state.fabric.autocast():
                fake, features = state.discriminator(spoken)
            state.discriminator.requires_grad_(True)
            losses["adversarial"] = adversarial_loss(fake)
            own = [[layer[: len(batch.wav)] for layer in part] for part in features]
            losses["feature_matching"] = feature_matching_loss(own, real_features[number])
        total = sum(getattr(weights, name) * loss for name, loss in losses.items())
        _backward(state, "generator", total * share, batch)
        _add(log, share, **losses)
    log |= _update(state, "generator", batches)
    if state.average:
        state.average.update_parameters(state.generator)
    state.step += 1
    return dict(log)


def _speak(state: State, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """What the recordings say in their own voices, (B, 1, N); and then, where voices are sampled, in those of targets.

    With sampled target speakers it is (2 B, 1, N), and their prototypes are (B, S).
    """
    if state.speaker_sampler is None or state.step < state.recipe.training.auxiliary_from:
        return state.estimate(batch), None
    sampled, targets = state.speaker_sampler.sample(batch)
    both = (torch.cat([getattr(batch, name), getattr(sampled, name)]) for name in ("content", "speaker", "emotion"))
    content, speaker, emotion = both
    return state.estimate(replace(batch, content=content, speaker=speaker, emotion=emotion)), targets


def _signal_losses(state: State, spoken: Tensor, targets: Tensor | None, batch: Batch) -> dict[str, Tensor]:
    """The losses of this step that need no discriminator. What is said has to be the same in every voice."""
    recording, spoken = batch.wav.squeeze(1), spoken.squeeze(1)
    own = spoken[: len(recording)]
    losses = {
        name: loss(own, recording) if name != "content" else loss(spoken, recording.repeat(len(spoken) // len(own), 1))
        for name, loss in state.losses.items()
        if name not in AUXILIARY or state.step >= state.recipe.training.auxiliary_from
    }
    if state.speaker_sampler is not None and targets is not None:
        losses["sampled_speaker"] = state.speaker_sampler.loss.towards(spoken[len(own) :], targets)
    return losses


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
    # Under a loss scale an overflow is no accident: the scaler leaves the step out and lowers the scale.
    if not state.fabric.strategy.precision.state_dict():
        _demand_finite(state, f"the {name} gradient", norm, batches)
    rate = state.rate(name)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    before = float(norm)
    return {f"{name}_norm": before, f"{name}_norm_clipped": min(before, limit), f"{name}_rate": rate}


def _demand_finite(state: State, what: str, value: Tensor, batches: list[Batch]) -> None:
    """NonFinite on every device as soon as one of them has met it: none goes on alone."""
    finite = torch.isfinite(value)
    if state.fabric.world_size > 1:
        finite = cast(Tensor, state.fabric.all_reduce(finite.float(), reduce_op="mean")) == 1
    if not finite:
        names = ", ".join(name for batch in batches for name in batch.ids)
        raise NonFinite(f"step {state.step}: {what} is {float(value)}; the batch was {names}")
