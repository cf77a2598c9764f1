"""Recorded steps equal ordinary ones: on a GPU where there is one, on the CPU with a substitute for the graph.

No test here needs weights or an encoder's package, so that all of them run on a bare machine with a GPU.
"""

import dataclasses
import itertools
import math
import shutil
from collections.abc import Callable

import pytest
import torch
from recorded_operations import RecordedOperations
from synthetic_run import BandEnergies, prototypes, synthetic_run

from thesis_lib.config import Config
from thesis_lib.runs.folder import Run
from thesis_lib.training import NonFinite, State, TrainingError, fabric_of, loop, losses, speaker_sampling, train
from thesis_lib.training import train_step as ordinary_step
from thesis_lib.training.captured import WARM_UP_STEPS, CapturedSteps
from thesis_lib.training.devices import check_cuda_graph
from thesis_lib.training.released import reproduce_weights
from thesis_lib.training.segments import Segments
from thesis_lib.vocoder import checkpoints

REPLAYS = 4
STEPS = WARM_UP_STEPS + REPLAYS
# Of the change of the weights: a GPU's sums have no fixed order, and Adam enlarges the difference of a small gradient.
TOLERANCE = {"cpu": 0.0, "cuda": 0.1}
SINGLE_PRECISION = 1e-4  # of a learning rate in single precision instead of double
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


class Noted:
    """A graph that notes the steps at which it is replayed."""

    def __init__(self, graph, state: State, replays: list[int]) -> None:
        self._graph, self._state, self._replays = graph, state, replays
        self.log = graph.log

    def replay(self) -> None:
        self._replays.append(self._state.step)
        self._graph.replay()


@dataclasses.dataclass
class Bench:
    """A device, and training steps on it."""

    device: str
    recordings: list[int] = dataclasses.field(default_factory=list)  # the steps at which one was made
    replays: list[int] = dataclasses.field(default_factory=list)

    def fabric(self, run):
        training = run.config.conversion.training.model_copy(update={"cuda_graph": self.device == "cuda"})
        return fabric_of(training, accelerator=self.device)

    def state(self, run, data: Segments) -> State:
        return State.create(run.config, "conversion", data, self.fabric(run))

    def captured(self, state: State) -> CapturedSteps:
        steps = CapturedSteps(state, RecordedOperations if self.device == "cpu" else None)
        record = steps._record

        def noted(compute: Callable) -> Noted:
            self.recordings.append(state.step)
            return Noted(record(compute), state, self.replays)

        steps._record = noted
        return steps

    def ordinary(self, state: State) -> Callable:
        """``train_step`` with learning rates in the single precision that a recorded step has."""
        for optimizer in state.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = torch.tensor(float(group["lr"]), device=state.fabric.device)
        return lambda batches: ordinary_step(state, batches)

    def take(self, state: State, step: Callable, data: Segments, count: int) -> list[dict[str, float]]:
        """Some steps, each with its seed and its batch."""
        rows = []
        for _ in range(count):
            torch.manual_seed(state.step)
            rows.append(step([data.batch(state.step).to(state.fabric.device)]))
        return rows


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=NEEDS_GPU)])
def bench(request, monkeypatch) -> Bench:
    monkeypatch.setattr(losses, "speaker_encoder", lambda config: BandEnergies())
    monkeypatch.setattr(speaker_sampling, "speaker_prototypes", prototypes)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    return Bench(request.param)


def weights(network) -> torch.Tensor:
    """All parameters in one vector, on the CPU, in double precision."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).double().cpu()


def weights_of(state: State) -> dict[str, torch.Tensor]:
    networks = {"generator": state.generator, "discriminator": state.discriminator, "average": state.average}
    return {name: weights(network) for name, network in networks.items()}


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Length of the difference of two changes of the weights, as a share of the expected one."""
    assert expected.norm() > 0, "nothing was trained"
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("precision", ["32-true", pytest.param("bf16-mixed", marks=NEEDS_GPU)])
def test_the_weights_after_recorded_steps_are_those_of_ordinary_ones(bench, tmp_path, precision):
    run = synthetic_run(tmp_path / "run", precision=precision)
    data = Segments(run, "conversion", "train")
    changes, rows = {}, {}
    for name in ("ordinary", "captured"):
        state = bench.state(run, data)
        step = getattr(bench, name)(state)
        bench.take(state, step, data, WARM_UP_STEPS)
        before = weights_of(state)
        rows[name] = bench.take(state, step, data, REPLAYS)
        changes[name] = {part: after - before[part] for part, after in weights_of(state).items()}
    assert bench.replays == [*range(WARM_UP_STEPS, STEPS)]
    for part, expected in changes["ordinary"].items():
        assert difference(changes["captured"][part], expected) <= TOLERANCE[bench.device], part
    for ours, theirs in zip(rows["captured"], rows["ordinary"], strict=True):
        assert ours == pytest.approx(theirs, rel=TOLERANCE[bench.device], abs=TOLERANCE[bench.device] / 100)


def test_every_phase_is_recorded_anew(bench, tmp_path):
    start = WARM_UP_STEPS + 3
    run = synthetic_run(tmp_path / "run", start)
    data = Segments(run, "conversion", "train")
    rows = {}
    for name in ("ordinary", "captured"):
        state = bench.state(run, data)
        step = getattr(bench, name)(state)
        rows[name] = bench.take(state, step, data, start + STEPS)
    assert bench.recordings == [WARM_UP_STEPS, start + WARM_UP_STEPS]
    assert rows["captured"][-1].keys() - rows["captured"][0].keys() >= {"adversarial", "speaker", "sampled_speaker"}
    for ours, theirs in zip(rows["captured"], rows["ordinary"], strict=True):
        assert ours == pytest.approx(theirs, rel=TOLERANCE[bench.device], abs=TOLERANCE[bench.device] / 100)


@pytest.mark.parametrize(("network", "start"), [("generator", 99), ("discriminator", 0)])
def test_a_replay_with_three_times_the_learning_rate_changes_the_weights_three_times_as_much(
    bench, tmp_path, network, start
):
    """AdamW's update, weight decay included, is proportional to the rate; the gradients must then be the same."""
    run = synthetic_run(tmp_path / "run", start)
    data = Segments(run, "conversion", "train")
    state = bench.state(run, data)
    step = bench.captured(state)
    bench.take(state, step, data, STEPS)
    kept = [(tensor, tensor.clone()) for tensor in tensors_of(state)]
    changes = []
    for factor in (1.0, 3.0):
        with torch.no_grad():
            for tensor, value in kept:
                tensor.copy_(value)
        state.step = STEPS
        rate = factor * run.config.conversion.training.learning_rate
        state.recipe = run.config.override({"conversion.training.learning_rate": rate}).conversion
        before = weights(getattr(state, network))
        bench.take(state, step, data, 1)
        changes.append(weights(getattr(state, network)) - before)
    assert difference(changes[1], 3 * changes[0]) < 0.02


def tensors_of(state: State) -> list[torch.Tensor]:
    """What a step changes in place: weights, buffers and moments."""
    networks = (state.generator, state.discriminator, state.average)
    found = [tensor for network in networks for tensor in network.state_dict(keep_vars=True).values()]
    slots = [slot for optimizer in state.optimizers.values() for slot in optimizer.state.values()]
    return found + [value for slot in slots for value in slot.values() if isinstance(value, torch.Tensor)]


def test_a_loss_of_a_replay_that_is_not_finite_raises_as_in_an_ordinary_step(bench, tmp_path):
    run = synthetic_run(tmp_path / "run")
    data = Segments(run, "conversion", "train")
    said = []
    for name in ("ordinary", "captured"):
        state = bench.state(run, data)
        step = getattr(bench, name)(state)
        bench.take(state, step, data, STEPS)
        before = weights_of(state)
        batch = data.batch(STEPS).to(state.fabric.device)
        with pytest.raises(NonFinite) as raised:
            step([dataclasses.replace(batch, wav=torch.full_like(batch.wav, math.nan))])
        said.append(str(raised.value))
        assert state.step == STEPS
        assert all(torch.equal(after, before[part]) for part, after in weights_of(state).items())
        (row,) = bench.take(state, step, data, 1)
        assert all(map(math.isfinite, row.values())), "the next step goes on"
    assert said[0] == said[1]
    assert "the discriminator loss is nan; the batch was u" in said[0]


def test_a_training_with_recorded_steps_is_resumed(bench, tmp_path, monkeypatch):
    """Two sessions of n steps, of which two are replays, equal one of 2 n."""
    half = WARM_UP_STEPS + 2
    monkeypatch.setattr(loop, "CapturedSteps", bench.captured)
    if bench.device == "cpu":
        monkeypatch.setattr(loop, "check_cuda_graph", lambda *given: None)
    found = {}
    for name in ("whole", "resumed"):
        run = synthetic_run(tmp_path / name, steps=2 * half, checkpoint_every=half, cuda_graph=True)
        if name == "resumed":
            train(run, "conversion", lambda batches, *_: itertools.islice(batches, half), bench.fabric(run))
            shutil.rmtree(run.path / "conversion" / "vocoder")  # of the first session
        assert train(run, "conversion", fabric=bench.fabric(run)).meta["steps"] == 2 * half
        folder = run.path / "conversion" / "checkpoints"
        start, end = (checkpoints.load(checkpoints.step_folder(folder, step))[0] for step in (half, 2 * half))
        for part in ("generator", "discriminator", "average"):
            names = [key for key in end if key.startswith(f"{part}.") and end[key].is_floating_point()]
            found[name, part] = torch.cat([(end[key] - start[key]).flatten().double() for key in names])
    first, second = ([*range(start + WARM_UP_STEPS, start + half)] for start in (0, half))
    assert bench.replays == [*range(WARM_UP_STEPS, 2 * half), *first, *second]
    for part in ("generator", "discriminator", "average"):
        assert difference(found["resumed", part], found["whole", part]) <= TOLERANCE[bench.device], part


def test_a_checkpoint_of_recorded_steps_is_resumed_without_them(bench, tmp_path):
    """As by a later session with cuda_graph: false."""
    run = synthetic_run(tmp_path / "run")
    data = Segments(run, "conversion", "train")
    state = bench.state(run, data)
    bench.take(state, bench.captured(state), data, STEPS)
    capturable(state, True)  # as on a GPU; a CPU refuses it
    folder = state.save(tmp_path / "checkpoint", run.config)
    capturable(state, bench.device == "cuda")
    again = bench.state(run, data)
    again.restore(folder)
    training, changes = run.config.conversion.training, []
    for other in (state, again):
        before = weights_of(other)
        (row,) = bench.take(other, lambda batches, other=other: ordinary_step(other, batches), data, 1)
        assert row["generator_rate"] == training.learning_rate * training.lr_decay ** (STEPS // 2)
        changes.append({part: after - before[part] for part, after in weights_of(other).items()})
    for part, expected in changes[0].items():
        assert difference(changes[1][part], expected) <= max(TOLERANCE[bench.device], SINGLE_PRECISION), part


def capturable(state: State, value: bool) -> None:
    for optimizer in state.optimizers.values():
        for group in optimizer.param_groups:
            group["capturable"] = value


def test_crops_are_drawn_for_each_item_and_are_the_same_for_all_its_versions(bench, tmp_path):
    run = synthetic_run(tmp_path / "run")
    data = Segments(run, "conversion", "train")
    state = bench.state(run, data)
    seen = []
    state.discriminator.register_forward_hook(lambda module, given, found: seen.append(given[0].detach()))
    torch.manual_seed(1)
    batch = data.batch(0).to(state.fabric.device)
    ordinary_step(state, [batch])
    size, samples = len(batch.ids), 8 * run.config.audio.hop_length
    both, estimates = seen
    assert both.shape == (3 * size, 1, samples), "recordings, own and sampled speakers"
    assert torch.equal(both[size:], estimates), "the discriminator's update and the generator's see the same crop"
    recordings = batch.band_limited(batch.wav).squeeze(1).unfold(1, samples, 1)
    places = [
        int((windows - crop).abs().sum(1).argmin()) for windows, crop in zip(recordings, both[:, 0], strict=False)
    ]
    assert len(set(places)) > 1
    for windows, place, crop in zip(recordings, places, both[:, 0], strict=False):
        assert torch.equal(windows[place], crop)


def test_a_training_without_a_gpu_is_refused_before_its_stages(tmp_path):
    config = Config.from_profile("smoke").override({"conversion.training.cuda_graph": True})
    run, plain = Run(tmp_path / "run", config), config.override({"conversion.training.cuda_graph": False})
    says = "training.cuda_graph needs one GPU, this training is on 1 x cpu: set it to false, or train on one GPU"
    with pytest.raises(TrainingError, match=says):
        train(run, "conversion", fabric=fabric_of(plain.conversion.training, accelerator="cpu"))
    with pytest.raises(TrainingError, match=says):
        reproduce_weights(run, tmp_path / "weights", accelerator="cpu")
    with pytest.raises(TrainingError, match=says):
        fabric_of(config.conversion.training, accelerator="cpu")
    with pytest.raises(TrainingError, match="this training is on 2 x cuda"):
        check_cuda_graph(config.conversion.training, "cuda", 2)
    check_cuda_graph(config.conversion.training, "cuda", 1)
    assert [path.name for path in run.path.iterdir()] == ["config.json"], "no stage has run"
