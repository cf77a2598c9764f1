"""Training steps as CUDA graphs.

A step launches some thousands of small operations, and a GPU computes them faster than the host can launch them. A CUDA
graph records the operations of one step and launches them together. The recorded operations read and write fixed
memory, so every batch is copied to the memory of the first one, and the learning rates are values on the device.
"""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from thesis_lib.losses.band_limit import NYQUIST
from thesis_lib.training.segments import Batch
from thesis_lib.training.state import State
from thesis_lib.training.step import Inputs, drawn_inputs, finish, set_rates, update
from thesis_lib.training.step_log import StepLog

WARM_UP_STEPS = 3  # computed in the ordinary way before each recording: libraries choose their algorithms in them
T = TypeVar("T")


class RecordedStep(Protocol):
    """Operations that were recorded, and the StepLog with the tensors that they write."""

    log: StepLog

    def replay(self) -> None:
        """Compute the recorded operations with what is now in their memory."""


class CapturedSteps:
    """``train_step`` as a CUDA graph, recorded after ``WARM_UP_STEPS`` steps, and again after each change of losses.

    The state is on one GPU (``devices.check_cuda_graph``), and its precision is not 16-mixed, which the configuration
    refuses. ``record`` makes the graph of a computation; None: ``CudaGraph``.
    """

    def __init__(self, state: State, record: Callable[[Callable[[], StepLog]], RecordedStep] | None = None) -> None:
        record = record or CudaGraph
        self._state, self._record = state, record
        self._phase: Any = None
        self._steps = 0  # of this phase
        self._inputs: list[Inputs] = []
        self._graph: RecordedStep | None = None
        for optimizer in state.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = torch.tensor(float(group["lr"]), device=state.fabric.device)
                group["capturable"] = state.fabric.device.type == "cuda"

    def __call__(self, batches: list[Batch]) -> dict[str, float]:
        """As ``train_step``."""
        state, ids = self._state, [batch.ids for batch in batches]
        inputs = [drawn_inputs(state, _with_cutoff(batch)) for batch in batches]
        rates = set_rates(state)
        phase = (_phase(state), _shapes(inputs))
        if phase != self._phase:
            self._phase, self._steps, self._graph = phase, 0, None
            self._inputs = mapped(torch.clone, inputs)
        _copy(inputs, self._inputs)
        if self._steps == WARM_UP_STEPS:
            self._graph = self._record(lambda: update(state, self._inputs))
        self._steps += 1
        if self._graph is None:
            log = on_side_stream(lambda: update(state, self._inputs), state.fabric.device)
        else:
            self._graph.replay()
            log = self._graph.log
        return finish(state, log, rates, ids)


class CudaGraph:
    """A CUDA graph of an update; recording computes nothing."""

    def __init__(self, compute: Callable[[], StepLog]) -> None:
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self.log = compute()

    def replay(self) -> None:
        """Compute the recorded operations with what is now in their memory."""
        self._graph.replay()


def on_side_stream(compute: Callable[[], T], device: torch.device) -> T:
    """Compute on another stream than the default one, as must be done before a recording; on a CPU, as it is."""
    if device.type != "cuda":
        return compute()
    stream, current = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    stream.wait_stream(current)
    with torch.cuda.stream(stream):
        found = compute()
    current.wait_stream(stream)
    return found


def mapped(function: Callable[[Tensor], Tensor], found: Any) -> Any:
    """The same lists and dataclasses, with ``function`` applied to every tensor."""
    if isinstance(found, Tensor):
        return function(found)
    if isinstance(found, list):
        return [mapped(function, item) for item in found]
    if is_dataclass(found) and not isinstance(found, type):
        return replace(found, **{f.name: mapped(function, getattr(found, f.name)) for f in fields(found)})
    return found


def _tensors(found: list[Inputs]) -> list[Tensor]:
    tensors: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        tensors.append(tensor)
        return tensor

    mapped(note, found)
    return tensors


def _copy(given: list[Inputs], kept: list[Inputs]) -> None:
    for source, target in zip(_tensors(given), _tensors(kept), strict=True):
        target.copy_(source)


def _shapes(inputs: list[Inputs]) -> tuple:
    return tuple(tuple(tensor.shape) for tensor in _tensors(inputs))


def _phase(state: State) -> tuple[bool, bool]:
    """Which losses are active: each begins at one of these steps."""
    training = state.recipe.training
    return state.step >= training.adversarial_from, state.step >= training.auxiliary_from


def _with_cutoff(batch: Batch) -> Batch:
    """A batch without band-limited recordings gets cutoffs too, which change nothing: all batches have one form."""
    if batch.cutoff is not None:
        return batch
    return replace(batch, cutoff=torch.full((len(batch.wav),), NYQUIST, device=batch.wav.device))
