"""One training step."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Inputs:
    """Device inputs of one step: a batch and everything drawn at random on the host.

    k is 1, or 2 with sampled target speakers: first the batch's own conditions, then those of the target speakers.
    """

    batch: Batch
    content: Tensor  # (k B, C, T)
    speaker: Tensor  # (k B, S)
    emotion: Tensor  # (k B, E)
    prototypes: Tensor | None  # (B, S) of the target speakers
    crop: Tensor | None  # (B,) first samples of the discriminator's crops; None: it receives whole segments


def train_step(state: State, batches: list[Batch]) -> dict[str, float]:
    """Update each network once over all batches together (gradient accumulation when there are several).

    Returns every loss, unweighted, the gradient norms before and after clipping and the learning rates. Raises
    NonFinite, with the network left as it was, when its loss or gradient is not finite, and TrainingError where no loss
    is active. The host waits for the device once, at the end; with 16-mixed also in each network's update, where the
    loss scaler reads whether a gradient overflowed, and with sampled target speakers for a batch of one, where its
    emotion embedding is read.
    """
    inputs = [drawn_inputs(state, batch) for batch in batches]
    rates = set_rates(state)
    return finish(state, update(state, inputs), rates, [batch.ids for batch in batches])


def drawn_inputs(state: State, batch: Batch) -> Inputs:
    """Draw target speakers and crops for a batch, from torch's generator of the CPU."""
    content, speaker, emotion, prototypes = batch.content, batch.speaker, batch.emotion, None
    if state.speaker_sampler is not None and state.step >= first_step("sampled_speaker", state.recipe.training):
        sampled, prototypes = state.speaker_sampler.sample(batch)
        content = torch.cat([content, sampled.content])
        speaker, emotion = torch.cat([speaker, sampled.speaker]), torch.cat([emotion, sampled.emotion])
    crop, length = None, state.crop_samples
    if length is not None and is_adversarial(state):
        crop = torch.randint(batch.wav.shape[-1] - length + 1, (len(batch.ids),))
        crop = crop.to(batch.wav.device, non_blocking=True)
    return Inputs(batch, content, speaker, emotion, prototypes, crop)


def is_adversarial(state: State) -> bool:
    """Whether this step trains the discriminator."""
    weights = state.recipe.losses
    return state.step >= state.recipe.training.adversarial_from and weights.adversarial + weights.feature_matching > 0


def set_rates(state: State) -> dict[str, float]:
    """Set the learning rate of each network that this step updates; the rates by the names of their columns."""
    names = ("discriminator", "generator") if is_adversarial(state) else ("generator",)
    for name in names:
        for group in state.optimizers[name].param_groups:
            if isinstance(group["lr"], Tensor):  # a captured step reads it on the device
                group["lr"].fill_(state.rate(name))
            else:
                group["lr"] = state.rate(name)
    return {f"{name}_rate": state.rate(name) for name in names}


def update(state: State, inputs: list[Inputs]) -> StepLog:
    """The part of a step that is computed on the device: losses, gradients and updates. Nothing is read on the host.

    Raises TrainingError where no loss is active.
    """
    weights, adversarial = state.recipe.losses, is_adversarial(state)
    single, share = len(inputs) == 1, 1 / len(inputs)
    log = StepLog(state.fabric)
    real_features = []
    recordings = [given.batch.band_limited(given.batch.wav) for given in inputs]
    for optimizer in state.optimizers.values():
        optimizer.zero_grad(set_to_none=True)
    if adversarial:
        for number, (given, recording) in enumerate(zip(inputs, recordings, strict=True)):
            # With a single batch the generator's update below uses this estimate and its graph again.
            with torch.set_grad_enabled(single):
                estimate = _estimate(state, given)
            # Recordings and estimates in one pass; the features of the recordings serve feature matching too.
            both = torch.cat([_cropped(state, given, recording), _cropped(state, given, estimate.detach())])
            scores, features = _float32(state.wrapped["discriminator"](both))
            count = len(recording)
            real, fake = [score[:count] for score in scores], [score[count:] for score in scores]
            real_features.append([[layer[:count].detach() for layer in layers] for layers in features])
            loss = discriminator_loss(fake, real)
            _backward(state, "discriminator", loss * share, number, log)
            log.add({"discriminator": loss, "score_real": _mean(real), "score_fake": _mean(fake)}, share)
        _update(state, "discriminator", log)
    for number, (given, recording) in enumerate(zip(inputs, recordings, strict=True)):
        if not (adversarial and single):
            estimate = _estimate(state, given)
        losses = _signal_losses(state, estimate, recording, given)
        if adversarial:
            losses |= _adversarial_losses(state, _cropped(state, given, estimate), real_features[number])
        if not losses:
            raise TrainingError(f"step {state.step}: no loss is active: give one of losses.* a weight")
        total = sum(getattr(weights, name) * loss for name, loss in losses.items())
        _backward(state, "generator", total * share, number, log)
        log.add(losses, share)
    _update(state, "generator", log)
    return log


def finish(state: State, log: StepLog, rates: dict[str, float], ids: list[list[str]]) -> dict[str, float]:
    """Read the numbers of a step, average the weights and count the step. Raises NonFinite, which names the ids."""
    row = _with_rates(log.read(state.step, ids), rates, state.recipe.training.clip_norm)
    if state.average:
        state.average.update_parameters(state.generator)
    state.step += 1
    return row


def _estimate(state: State, given: Inputs) -> Tensor:
    """Synthesise the batch under its own condition and the target speakers', (k B, 1, N), in its recordings' band."""
    asked = dataclasses.replace(given.batch, content=given.content, speaker=given.speaker, emotion=given.emotion)
    return given.batch.band_limited(state.estimate(asked))


def _cropped(state: State, given: Inputs, wav: Tensor) -> Tensor:
    """(k B, 1, N) -> the part that the discriminator receives, of each version of an item the same one."""
    if given.crop is None or state.crop_samples is None:
        return wav
    first = given.crop.repeat(len(wav) // len(given.crop)).unsqueeze(1)
    return wav.squeeze(1).gather(1, first + torch.arange(state.crop_samples, device=wav.device)).unsqueeze(1)


def _signal_losses(state: State, estimate: Tensor, recording: Tensor, given: Inputs) -> dict[str, Tensor]:
    """The active losses that need no discriminator. The content loss takes sampled target speakers too."""
    recording, estimate = recording.squeeze(1), estimate.squeeze(1)
    own = estimate[: len(recording)]
    losses = {
        name: loss(own, recording) if name != "content" else loss(estimate, recording)
        for name, loss in state.losses.items()
        if state.step >= first_step(name, state.recipe.training)
    }
    if state.speaker_sampler is not None and given.prototypes is not None:
        sampled = given.prototypes, given.emotion[len(own) :]
        losses |= state.speaker_sampler.losses_of(estimate[len(own) :], *sampled)
    return losses


def _adversarial_losses(state: State, estimate: Tensor, real: Features) -> dict[str, Tensor]:
    """The generator's losses by the discriminator; feature matching needs the items that have a recording."""
    # Read-only: the generator's update must not leave gradients in the discriminator.
    state.discriminator.requires_grad_(False)
    with state.fabric.autocast():
        fake, features = state.discriminator(estimate)
    state.discriminator.requires_grad_(True)
    fake, features = _float32((fake, features))
    own = [[layer[: len(seen)] for layer, seen in zip(*both, strict=True)] for both in zip(features, real, strict=True)]
    return {"adversarial": adversarial_loss(fake), "feature_matching": feature_matching_loss(own, real)}


def _float32(found: tuple[Scores, Features]) -> tuple[Scores, Features]:
    """Scores and features of half precision in float32: the square of a score of 300 is above float16's 65,504."""
    scores, features = found
    return [_widened(score) for score in scores], [[_widened(layer) for layer in layers] for layers in features]


def _widened(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _mean(scores: Sequence[Tensor]) -> Tensor:
    return torch.stack([score.mean() for score in scores]).mean()


def _backward(state: State, name: str, loss: Tensor, number: int, log: StepLog) -> None:
    log.check(f"the {name} loss", loss, number)
    state.fabric.backward(loss, model=state.wrapped[name])


def _update(state: State, name: str, log: StepLog) -> None:
    """Clip and step, unless a value checked so far is not finite."""
    optimizer, limit = state.optimizers[name], state.recipe.training.clip_norm
    wrapped = state.wrapped[name]
    norm = cast(Tensor, state.fabric.clip_gradients(wrapped, optimizer, max_norm=limit, error_if_nonfinite=False))
    log.add({f"{name}_norm": norm})
    # Under a loss scale an overflow is expected: the scaler skips the step and lowers the scale.
    if not state.fabric.strategy.precision.state_dict():
        log.check(f"the {name} gradient", norm)
    failed = log.failed()
    if optimizer.defaults["fused"]:
        # It leaves weights, moments and its count of steps as they are where this is 1. The optimizer of 16-mixed is
        # not fused and refuses the attribute: there the loss scaler leaves the update out.
        cast(Any, optimizer).optimizer.found_inf = failed
    optimizer.step()


def _with_rates(row: dict[str, float], rates: dict[str, float], limit: float) -> dict[str, float]:
    """The row of the log in its order: of each network its losses, gradient norms and learning rate."""
    found: dict[str, float] = {}
    for name, value in row.items():
        found[name] = value
        network = name.removesuffix("_norm")
        if network != name:
            found |= {f"{name}_clipped": min(value, limit), f"{network}_rate": rates[f"{network}_rate"]}
    return found
