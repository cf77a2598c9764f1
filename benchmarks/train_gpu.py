"""Training steps a second on one GPU, HiFi-GAN V1 with all its discriminators, beside speechbrain's step.

The step of ``benchmarks.train`` at the paper's batch of 16 segments of 32 frames, interleaved: speechbrain in float32,
and ours in float32, with a CUDA graph, and with a CUDA graph and bfloat16. Then 16-mixed: which of its steps the loss
scaler leaves out.
"""

import functools
import statistics
from collections.abc import Callable

import torch

from benchmarks.train import EMOTION, SPEAKER, speechbrain_step
from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, Config
from thesis_lib.training import State, fabric_of, train_step
from thesis_lib.training.captured import WARM_UP_STEPS, CapturedSteps
from thesis_lib.training.segments import Batch
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.timing import interleaved, ratio

BATCH, FRAMES = 16, 32
STEPS = 10  # of each round; the host waits for the device after the last one
SCALED_STEPS = 500  # in 16-mixed
VARIANTS = {
    "ours, float32": ("32-true", False),
    "ours, float32, CUDA graph": ("32-true", True),
    "ours, bfloat16, CUDA graph": ("bf16-mixed", True),
}


def run(quick: bool) -> dict:
    """Seconds a step of each, and the ratios with their lowest and highest over the rounds."""
    if not torch.cuda.is_available():
        raise ThesisError("torch finds no GPU: this benchmark needs one")
    device, audio = torch.device("cuda"), AudioConfig()
    torch.manual_seed(0)
    wav = 0.1 * torch.randn(BATCH, 1, FRAMES * audio.hop_length)
    batch = Batch(
        wav, LogMel(audio)(wav[:, 0]), torch.randn(BATCH, SPEAKER), torch.randn(BATCH, EMOTION), ["x"] * BATCH
    )
    peer = speechbrain_step(batch.wav.to(device), batch.content.to(device))
    calls = {"speechbrain, float32": functools.partial(_steps, peer)}
    for name, (precision, graph) in VARIANTS.items():
        calls[name] = functools.partial(_steps, _ours(batch, precision, graph))
    seconds = interleaved(calls, 2 if quick else 8)
    theirs = seconds["speechbrain, float32"]
    left_out = _left_out(batch, 20 if quick else SCALED_STEPS)
    return {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "batch": BATCH,
        "samples": wav.shape[-1],
        "rounds": len(theirs),
        "steps of a round": STEPS,
        "seconds_a_step": {name: statistics.median(values) / STEPS for name, values in seconds.items()},
        "speed / speechbrain": {name: ratio(theirs, seconds[name]) for name in VARIANTS},
        "16-mixed": {
            "steps": len(left_out),
            "left out": sum(left_out),
            "longest run left out": longest_run(left_out),
        },
    }


def _steps(step: Callable[[], object]) -> None:
    for _ in range(STEPS):
        step()
    torch.cuda.synchronize()


def _ours(batch: Batch, precision: str, graph: bool) -> Callable[[], object]:
    state = _state(batch, precision)
    step = CapturedSteps(state) if graph else functools.partial(train_step, state)
    given = [batch.to(state.fabric.device)]
    for _ in range(WARM_UP_STEPS + 1):  # the recording is not timed
        step(given)
    return lambda: step(given)


def _state(batch: Batch, precision: str) -> State:
    changes = {"resynthesis.training.warm_start": "none", "resynthesis.training.precision": precision}
    config = Config().override(changes)
    return State.create(config, "resynthesis", batch, fabric_of(config.resynthesis.training, accelerator="cuda"))


def _left_out(batch: Batch, steps: int) -> list[bool]:
    """Of each step in 16-mixed, whether the loss scaler left an update out: it then lowers its scale."""
    state = _state(batch, "16-mixed")
    given, found = [batch.to(state.fabric.device)], []
    scaler = state.fabric.strategy.precision.scaler
    for _ in range(steps):
        before = scaler.get_scale()
        train_step(state, given)
        found.append(scaler.get_scale() < before)
    return found


def longest_run(flags: list[bool]) -> int:
    """The largest number of true flags in a row."""
    longest = current = 0
    for flag in flags:
        current = current + 1 if flag else 0
        longest = max(longest, current)
    return longest
