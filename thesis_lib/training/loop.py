"""The loop around the step: data in, log and checkpoints out, exact resume.

The schedule for a short budget: spectral losses alone first, adversarial and encoder losses last
(``adversarial_from``, ``auxiliary_from``). Resynthesis starts from HiFi-GAN universal's weights; FiLM starts as the
identity, so step 0 is that published vocoder.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from thesis_lib.config import Task
from thesis_lib.losses import MelLoss, mel_loss
from thesis_lib.runs.folder import Run
from thesis_lib.training.devices import device_name, fabric_of
from thesis_lib.training.errors import Interrupted, NonFinite
from thesis_lib.training.log import Log
from thesis_lib.training.monitor import TrainingMonitor
from thesis_lib.training.segments import Segments, Steps
from thesis_lib.training.state import State
from thesis_lib.training.step import train_step
from thesis_lib.utils.progress import Progress, note, silent
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.synthesis import Vocoder

if TYPE_CHECKING:
    from lightning_fabric import Fabric

SIGNS = {"validation_mel": 1, "conditioning_sensitivity": -1}  # a lower score is better
VALIDATION_BATCHES = 4  # fixed batches of the validation split whose mel loss is logged with each checkpoint


@torch.random.fork_rng(devices=[])  # each step seeds torch; the caller's draws stay as they were
def train(run: Run, task: Task, progress: Progress = silent, fabric: "Fabric | None" = None) -> Vocoder:
    """Train, or go on training, until ``steps`` or ``max_minutes``; the result is in the run's TASK/vocoder/.

    Interrupted, it goes on from the last checkpoint. TASK/metrics.jsonl holds one line a step. With a ``fabric`` of
    several devices every process calls this; the first one writes.

    Raises Interrupted after Ctrl-C or SIGTERM, with the state saved; NonFinite with the batch's files named and the
    state saved in TASK/failed/; CheckpointError when the disk is full or the last checkpoint damaged.
    """
    config, home = run.config, run.path / task
    recipe, folder = config.recipe(task), home / "vocoder"
    if (folder / checkpoints.WEIGHTS).exists():
        return Vocoder.from_torch(folder)
    fabric = fabric or fabric_of(recipe.training)
    if not fabric.is_global_zero:
        progress = silent
    with fabric.rank_zero_first():  # it fills the run folder, the others read
        data, held_out = Segments(run, task, "train", progress), Segments(run, task, "validation", progress)
    state = State.create(config, task, data, fabric)
    saved = checkpoints.latest(home / "checkpoints")
    if saved:
        state.restore(saved)
    fabric.barrier()
    warned = _loop(run, task, state, data, held_out, progress)
    if fabric.is_global_zero:
        if recipe.training.export == "best" and (best := checkpoints.best(home / "checkpoints", "score")):
            state.restore(best)
        meta = {
            "task": task,
            "audio": config.audio.model_dump(),
            "content": recipe.content.model_dump(),
            "generator": recipe.generator.model_dump(),
            "speaker_dim": data.speaker.shape[1],
            "emotion_dim": data.emotion.shape[1],
            **data.encoders,
            "steps": state.step,
            "minutes": round(state.seconds / 60, 2),
            "device": device_name(fabric),
            "stopped_by": _stopped_by(state),
            "skipped_steps": state.skipped,
            "warnings": warned,
            "stamp": run.stamp(),
        }
        Vocoder(state.result.cpu().fold_weight_norm(), meta).save_pretrained(folder)
    fabric.barrier()
    return Vocoder.from_torch(folder)


def _loop(run: Run, task: Task, state: State, data: Segments, held_out: Segments, progress: Progress) -> list[str]:
    training, fabric, home = state.recipe.training, state.fabric, run.path / task
    mel, guards, warned = MelLoss(run.config.audio), TrainingMonitor(), []
    fabric.to_device(mel)
    steps = Steps(data, fabric.global_rank, fabric.world_size)
    left = range(state.step, state.step if state.is_out_of_patience else training.steps)
    loader = DataLoader(steps, batch_size=None, sampler=left, num_workers=training.workers)
    if fabric.is_global_zero:
        checkpoints.sweep(home / "checkpoints")
    with Log(home, state.step, training.tensorboard, fabric.is_global_zero) as log, stop_requests() as asked:
        if state.step == 0:
            log.write({"step": 0, **validate_on(state, held_out, mel, log)})
        shown = progress(loader, len(loader), f"train {task}")
        for batches in shown:
            torch.manual_seed(_seed(training.seed, state.step, fabric.global_rank))
            started = time.monotonic()
            row = _step(run, task, state, [batch.to(fabric.device) for batch in batches])
            state.seconds += time.monotonic() - started
            row = {"step": state.step, "seconds": round(state.seconds, 3), **_mean_of_all(fabric, row)}
            new = guards.see(row, {*state.losses, "adversarial", "feature_matching", "discriminator"})
            warned += new
            score = None
            out_of_time = training.max_minutes is not None and state.seconds >= 60 * training.max_minutes
            out_of_time, stop = _any_of_all(fabric, out_of_time, asked.is_set())
            if out_of_time or state.step == training.steps or state.step % training.checkpoint_every == 0:
                row |= _mean_of_all(fabric, validate_on(state, held_out, mel, log))
                score = SIGNS[training.best_by] * row[training.best_by]
                state.see(score)
            log.write(row | ({"warnings": new} if new else {}))
            note(shown, _summary(row, state))
            if stop or score is not None:
                # After the log line: a checkpoint never stands ahead of its own record.
                _save(run, task, state, encoders=data.encoders, score=score)
            if stop:
                raise Interrupted(f"stopped and saved at step {state.step}; the same command goes on from there")
            if out_of_time or state.is_out_of_patience:
                break
    return warned


def _stopped_by(state: State) -> str:
    if state.step >= state.recipe.training.steps:
        return "steps"
    return "patience" if state.is_out_of_patience else "max_minutes"


def _step(run: Run, task: Task, state: State, batches: list) -> dict[str, float]:
    """``train_step`` and what becomes of a step that is not finite: the end, or one more skipped."""
    try:
        return train_step(state, batches)
    except NonFinite as error:
        if state.recipe.training.non_finite == "stop":
            if state.fabric.is_global_zero:
                folder = state.save(run.path / task / "failed", run.config, error=str(error))
                raise NonFinite(f"{error}; the state is in {folder}") from error
            raise
        state.step += 1
        state.skipped += 1
        return {"skipped": state.skipped}


def _save(run: Run, task: Task, state: State, **more: object) -> None:
    if state.fabric.is_global_zero:
        folder = run.path / task / "checkpoints"
        state.save(checkpoints.step_folder(folder, state.step), run.config, **more)
        checkpoints.prune(folder, state.recipe.training.keep, "score")
    state.fabric.barrier()


@torch.no_grad()
def validate_on(state: State, data: Segments, loss: MelLoss, log: Log) -> dict[str, float]:
    """Fixed segments of speakers that training does not see, by the weights that would be kept.

    ``validation_mel``: the mel loss, in nepers. ``sensitivity``: how far the log-mel moves, in nepers, when every item
    gets its neighbour's condition; at 0 the generator ignores it.
    """
    generator, total = state.result.eval(), 0.0
    for number in range(VALIDATION_BATCHES):
        batch = data.batch(number).to(state.fabric.device)
        estimate = generator(batch.content, batch.speaker, batch.emotion).squeeze(1)
        total += float(loss(estimate, batch.wav.squeeze(1)))
        if number == 0:
            other = generator(batch.content, batch.speaker.roll(1, 0), batch.emotion.roll(1, 0)).squeeze(1)
            sensitivity = float(mel_loss(loss.mel(other), loss.mel(estimate)))
            for name, wav in (("estimate", estimate[:1]), ("recording", batch.wav[0])):
                log.hear(name, wav[0].cpu().numpy(), loss.mel(wav)[0].cpu().numpy(), data.sample_rate, state.step)
    generator.train()
    return {"validation_mel": total / VALIDATION_BATCHES, "conditioning_sensitivity": sensitivity}


def _seed(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0])


def _mean_of_all(fabric: "Fabric", row: dict[str, float]) -> dict[str, float]:
    if fabric.world_size == 1:
        return row
    means = cast(Tensor, fabric.all_reduce(torch.tensor(list(row.values()), dtype=torch.float64), reduce_op="mean"))
    return dict(zip(row, means.tolist(), strict=True))


def _any_of_all(fabric: "Fabric", *flags: bool) -> list[bool]:
    """What one process wants, all do."""
    if fabric.world_size == 1:
        return list(flags)
    counts = cast(Tensor, fabric.all_reduce(torch.tensor(flags, dtype=torch.float32), reduce_op="sum"))
    return [count > 0 for count in counts.tolist()]


def _summary(row: dict[str, float], state: State) -> str:
    """What stands beside the bar: the losses of this step."""
    shown = [*state.losses, "adversarial", "discriminator"]
    return ", ".join(f"{name} {row[name]:.3f}" for name in shown if name in row)


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM, so that the step in hand is finished; a second one interrupts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame) -> None:
        asked.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
