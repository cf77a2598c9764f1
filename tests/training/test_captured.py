"""Recorded steps: the same numbers as ordinary ones; on a GPU where there is one, otherwise with a stand-in."""

import pytest
import torch
from helpers import beside

from thesis_lib.training import State, TrainingError, fabric_of, train_step
from thesis_lib.training.captured import WARM_UP, CapturedSteps
from thesis_lib.training.segments import Segments

STEPS = 2 * WARM_UP + 5


class Again:
    """In place of a CUDA graph: recording computes nothing, and each replay computes with what the memory holds."""

    recordings = 0

    def __init__(self, compute) -> None:
        type(self).recordings += 1
        self._compute = compute

    def replay(self) -> None:
        self.log = self._compute()


@pytest.fixture
def run(tiny_run, tmp_path):
    start = WARM_UP + 3
    changes = {
        "conversion__training__adversarial_from": start,
        "conversion__training__auxiliary_from": start,
        "conversion__training__ema_decay": 0.9,
        "conversion__training__segment_frames": 32,
        "conversion__discriminator__crop_frames": 8,
        "conversion__generator__condition_dropout": 0.3,
        "conversion__training__decay_every": 2,
    }
    return beside(tiny_run, tmp_path / "run", **changes)


def rows_of(run, data, step, fabric=None) -> tuple[list[dict[str, float]], State]:
    state = State.create(run.config, "conversion", data, fabric)
    make = step(state)
    rows = []
    for number in range(STEPS):
        torch.manual_seed(number)
        rows.append(make([data.batch(number).to(state.fabric.device)]))
    return rows, state


def ordinary(state: State):
    """``train_step`` with learning rates in the single precision that a device has."""
    for optimizer in state.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = torch.tensor(group["lr"], device=state.fabric.device)
    return lambda batches: train_step(state, batches)


def test_recorded_steps_give_the_numbers_of_ordinary_ones(run):
    data = Segments(run, "conversion", "train")
    Again.recordings = 0
    expected, plain = rows_of(run, data, ordinary)
    found, state = rows_of(run, data, lambda state: CapturedSteps(state, Again))
    assert found == expected
    assert len(expected[-1]) > len(expected[0]), "the adversarial losses have begun"
    assert Again.recordings == 2, "one of each phase"
    assert state.step == STEPS
    for ours, theirs in zip(state.result.parameters(), plain.result.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_checkpoint_of_recorded_steps_is_resumed_without_them(run, tmp_path):
    data = Segments(run, "conversion", "train")
    _, state = rows_of(run, data, lambda state: CapturedSteps(state, Again))
    for optimizer in state.optimizers.values():
        for group in optimizer.param_groups:
            group["capturable"] = True  # as on a GPU; a CPU refuses it
    folder = state.save(tmp_path / "checkpoint", run.config)
    for optimizer in state.optimizers.values():
        for group in optimizer.param_groups:
            group["capturable"] = False
    again = State.create(run.config, "conversion", data)
    again.restore(folder)
    for other in (state, again):
        torch.manual_seed(9)
        row = train_step(other, [data.batch(STEPS)])
        assert row["generator_rate"] == state.recipe.training.learning_rate * state.recipe.training.lr_decay ** (
            STEPS // 2
        )
    for ours, theirs in zip(state.result.parameters(), again.result.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-7)


def test_crops_are_drawn_for_each_item_and_are_the_same_for_all_its_versions(run):
    data = Segments(run, "conversion", "train")
    state = State.create(run.config, "conversion", data)
    state.step = run.config.conversion.training.adversarial_from
    seen = []
    state.discriminator.register_forward_hook(lambda module, given, found: seen.append(given[0].detach()))
    torch.manual_seed(1)
    batch = data.batch(0)
    train_step(state, [batch])
    samples = 8 * run.config.audio.hop_length
    both, own = seen
    assert both.shape[-1] == own.shape[-1] == samples
    assert torch.equal(both[len(own) :], own), "the discriminator's update and the generator's see the same crop"
    recordings = batch.band_limited(batch.wav).squeeze(1).unfold(1, samples, 1)
    places = [
        int((windows - crop).abs().sum(1).argmin()) for windows, crop in zip(recordings, both[:, 0], strict=False)
    ]
    assert len(set(places)) > 1
    for windows, place, crop in zip(recordings, places, both[:, 0], strict=False):
        assert torch.equal(windows[place], crop)


def test_what_cannot_be_recorded_is_refused(run):
    data = Segments(run, "conversion", "train")
    state = State.create(run.config, "conversion", data, fabric_of(run.config.conversion.training, accelerator="cpu"))
    with pytest.raises(TrainingError, match="training.cuda_graph needs one GPU"):
        CapturedSteps(state)
    state.recipe = run.config.override({"conversion.training.precision": "16-mixed"}).conversion
    with pytest.raises(TrainingError, match="16-mixed"):
        CapturedSteps(state, Again)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_cuda_graph_gives_the_numbers_of_ordinary_steps(run):
    data = Segments(run, "conversion", "train")
    fabric = fabric_of(run.config.conversion.training, accelerator="cuda")
    expected, _ = rows_of(run, data, ordinary, fabric)
    found, _ = rows_of(run, data, CapturedSteps, fabric)
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        assert ours == pytest.approx(theirs, rel=0.02), number
