"""A training step reads its numbers once, and an update that is not finite does not take place."""

import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from thesis_lib.config import TrainingConfig
from thesis_lib.losses import EmbeddingConsistency, EncoderAugmentation
from thesis_lib.training import NonFinite, State, fabric_of, train_step
from thesis_lib.training.segments import Segments
from thesis_lib.training.step_log import StepLog


class Reads(TorchDispatchMode):
    """Count values read on the host, by ``item``, ``float``, ``bool`` or ``equal``; lengths, integers, do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        self.count += name == "equal" or (name == "_local_scalar_dense" and args[0].dtype != torch.int64)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_host_reads_one_tensor_a_step(tiny_run, monkeypatch, accumulate):
    data = Segments(tiny_run, "conversion", "train")
    state = State.create(tiny_run.config, "conversion", data)
    state.step = state.recipe.training.adversarial_from
    batches = [data.batch(number) for number in range(accumulate)]
    lists, original = [], torch.Tensor.tolist

    def tolist(tensor):
        lists.append(len(tensor))
        return original(tensor)

    monkeypatch.setattr(torch.Tensor, "tolist", tolist)
    with Reads() as reads:
        row = train_step(state, batches)
    assert reads.count == 0
    assert len(lists) == 1
    assert len(row) >= 10


def networks(state) -> dict[str, torch.Tensor]:
    found = {f"{name}.{key}": p.detach().clone() for name in ("generator", "discriminator")
             for key, p in getattr(state, name).named_parameters()}  # fmt: skip
    if state.average:
        found |= {f"average.{key}": p.clone() for key, p in state.average.module.named_parameters()}
    return found


def test_a_loss_scale_updates_both_networks_and_leaves_an_overflow_out(tiny_run):
    """16-mixed with its loss scaler, on the CPU: the optimizer is not fused and the scaler skips on the host."""
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.precision.amp import MixedPrecision

    scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    fabric = Fabric(accelerator="cpu", plugins=[MixedPrecision("16-mixed", "cpu", scaler)])
    config = tiny_run.config.override({"resynthesis.training.precision": "16-mixed"})
    data = Segments(tiny_run, "resynthesis", "train")
    state = State.create(config, "resynthesis", data, fabric)
    state.step = state.recipe.training.adversarial_from
    for number in range(2):
        before = networks(state)
        row = train_step(state, [data.batch(number)])
        after = networks(state)
        assert all(math.isfinite(value) for value in row.values()), row
        for name in ("generator", "discriminator"):
            assert any(not torch.equal(before[key], after[key]) for key in before if key.startswith(name))
    before = networks(state)
    scaler.update(2.0**120)  # its product with any loss is infinite in half precision
    train_step(state, [data.batch(2)])
    assert all(torch.equal(x, before[key]) for key, x in networks(state).items())
    assert scaler.get_scale() < 2.0**120


@pytest.mark.parametrize("wrong", ["discriminator loss", "generator loss", "discriminator gradient"])
def test_a_step_that_is_not_finite_leaves_the_networks_and_the_next_step_as_they_were(tiny_run, wrong):
    """Its discriminator's loss or gradient stops the generator's update too."""
    config = tiny_run.config.override({"resynthesis.training.ema_decay": 0.5, "resynthesis.discriminator.scales": 0})
    data = Segments(tiny_run, "resynthesis", "train")
    rows = []
    for broken in (True, False):
        state = State.create(config, "resynthesis", data)
        state.step = state.recipe.training.adversarial_from
        rows.append(train_step(state, [data.batch(0)]))
        before = networks(state)
        if broken:
            undo = _break(state, wrong)
            with pytest.raises(NonFinite, match=f"step 3: the {wrong} is nan; the batch was {data.batch(1).ids[0]}, "):
                train_step(state, [data.batch(1)])
            undo()
            after = networks(state)
            kept = [name for name in before if wrong != "generator loss" or not name.startswith("discriminator")]
            assert all(torch.equal(before[name], after[name]) for name in kept)
            assert state.step == 3
        elif wrong == "generator loss":
            continue  # the discriminator has been updated by the broken step, as before
        rows.append(train_step(state, [data.batch(2)]))
    if wrong != "generator loss":
        (_, first), (_, second) = rows[:2], rows[2:]
        assert first == second, "moments and step counts of the optimizers included"


def _break(state, wrong: str):
    """Spoil a loss or gradient of the next step; returns what mends it."""
    if wrong == "generator loss":
        whole, state.losses["mel"] = state.losses["mel"], lambda estimate, recording: estimate.sum() * math.nan
        return lambda: state.losses.update(mel=whole)
    if wrong == "discriminator loss":

        def spoil(_, __, found):
            return [score * math.nan for score in found[0]], found[1]

        return state.discriminator.register_forward_hook(spoil).remove
    parameter = next(state.discriminator.parameters())
    return parameter.register_hook(lambda gradient: gradient * math.nan).remove


def log_with(*values: float) -> StepLog:
    log = StepLog(fabric_of(TrainingConfig(), accelerator="cpu"))
    for number, value in enumerate(values):
        log.check(f"value {number}", torch.tensor(value), 0)
    return log


def test_shares_of_a_value_are_summed_and_the_first_wrong_value_is_named():
    log = log_with(1.0)
    for value in (1.0, 3.0):
        log.add({"loss": torch.tensor(value)}, 0.5)
    log.add({"norm": torch.tensor([2.0])})
    assert float(log.failed()) == 0
    assert log.read(0, [["one", "two"]]) == {"loss": 2.0, "norm": 2.0}
    log = log_with(1.0, math.inf, math.nan)
    assert float(log.failed()) == 1
    with pytest.raises(NonFinite, match="step 7: value 1 is inf; the batch was one, two$"):
        log.read(7, [["one", "two"]])


def test_every_device_stops_where_one_has_a_wrong_value(monkeypatch):
    log = log_with(1.0)
    monkeypatch.setattr(
        log, "_fabric", type("Two", (), {"world_size": 2, "all_reduce": lambda *_, **__: torch.ones(())})
    )
    assert float(log.failed()) == 1
    with pytest.raises(NonFinite, match="another device"):
        log.read(7, [["one", "two"]])


@pytest.mark.weights("ecapa")
def test_the_speaker_loss_reads_nothing_on_the_host():
    """Each read would make the host wait for the device, and cannot be part of a CUDA graph."""
    from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn

    encoder = EcapaTdnn()
    loss = EmbeddingConsistency(encoder, 16_000, augmentation=EncoderAugmentation(16_000, 1.0))
    wav = torch.randn(2, 8000)
    with Reads() as reads:
        loss(wav, wav)
    assert reads.count == 0
