"""The training loop: batches in, log and checkpoints out, exact resume.

For a short budget the spectral losses begin alone, the adversarial and encoder losses later (``adversarial_from``,
``auxiliary_from``). Resynthesis starts from HiFi-GAN universal's weights; FiLM starts as the identity, so step 0 is
that published vocoder.
"""

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from thesis_lib.config import Config, Task
from thesis_lib.config.resume import is_higher
from thesis_lib.losses import MelLoss, mel_loss
from thesis_lib.runs.folder import Run
from thesis_lib.runs.vocoders import check_vocoder, vocoder_folder
from thesis_lib.training.captured import CapturedSteps
from thesis_lib.training.clock import SessionClock
from thesis_lib.training.devices import check_cuda_graph, device_name, fabric_of
from thesis_lib.training.errors import Interrupted, NonFinite
from thesis_lib.training.log import Log
from thesis_lib.training.monitor import TrainingMonitor
from thesis_lib.training.schedule import ADVERSARIAL
from thesis_lib.training.segments import Batch, Segments, Steps
from thesis_lib.training.sources import holds_data
from thesis_lib.training.stages import run_earlier_stages
from thesis_lib.training.state import State
from thesis_lib.training.step import train_step
from thesis_lib.utils.files import write_text
from thesis_lib.utils.process import ending_signals
from thesis_lib.utils.progress import Progress, note, silent
from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.description import VocoderDescription
from thesis_lib.vocoder.synthesis import Vocoder

if TYPE_CHECKING:
    from lightning_fabric import Fabric

TRAINED_WITH = "trained_with.json"  # configuration of a finished training, perhaps with higher limits than the run's
SIGNS = {"validation_mel": 1, "conditioning_sensitivity": -1}  # the score is lower for a better vocoder
VALIDATION_BATCHES = 4  # fixed batches of the validation split


@torch.random.fork_rng(devices=[])  # each step seeds torch; the caller's random state stays as it was
def train(run: Run, task: Task, progress: Progress = silent, fabric: "Fabric | None" = None) -> Vocoder:
    """Train until ``steps`` or ``max_minutes`` (wall-clock time); the vocoder is written to the run's TASK/vocoder/.

    Stages before it that have not run (prepare, embed, analyse, and distillation targets) run first, and their time
    is not counted. Interrupted, training continues from the last checkpoint; finished, its vocoder is returned.
    TASK/metrics.jsonl holds one line for each step. Every process of a ``fabric`` calls this; the first process writes.

    Raises Interrupted after Ctrl-C, SIGTERM or SIGHUP, with the state saved; NonFinite with the batch's files named
    and the state saved in TASK/failed/; CheckpointError for a full disk or a damaged last checkpoint; StaleError when
    corpus, encoders or recipe have changed since; TrainingError where no loss is active or the devices do not fit.
    """
    folder = vocoder_folder(run, task)
    if (folder / checkpoints.WEIGHTS).exists():
        check_vocoder(run, task)
        finished = Vocoder.from_torch(folder)
        if not _is_prolonged(run, task, finished.description):
            return finished
    fabric = fabric or fabric_of(run.config.recipe(task).training)
    check_cuda_graph(run.config.recipe(task).training, fabric.device.type, fabric.world_size)
    progress = progress if fabric.is_global_zero else silent
    with fabric.rank_zero_first():  # it fills the run folder, the others read
        run_earlier_stages(run, task, progress)
        clock = SessionClock()
        data, validation = Segments(run, task, "train"), Segments(run, task, "validation")
    state = State.create(run.config, task, data, fabric)
    state.check_losses()
    saved = checkpoints.latest(run.path / task / "checkpoints")
    if saved:
        state.restore(saved)
    clock.resume(state.seconds)
    fabric.barrier()
    warned = _Session(run, task, state, data, validation, clock).train(progress)
    if fabric.is_global_zero:
        _export(run, task, state, data, clock, warned)
    fabric.barrier()
    return Vocoder.from_torch(folder)


def _export(run: Run, task: Task, state: State, data: Segments, clock: SessionClock, warned: list[str]) -> None:
    """Write the vocoder (last state or best checkpoint) and its configuration."""
    config, recipe, stopped_by = run.config, state.recipe, _stopped_by(state)
    if recipe.training.export == "best" and (best := checkpoints.best(run.path / task / "checkpoints", "score")):
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
        "minutes": round(clock.seconds / 60, 2),  # of all sessions
        "device": device_name(state.fabric),
        "stopped_by": stopped_by,
        "skipped_steps": state.skipped,
        "warnings": warned,
        "stamp": run.stamp() | {"config": config.digest()},
    }
    write_text(run.path / task / TRAINED_WITH, config.model_dump_json(indent=2) + "\n")
    Vocoder(state.result.cpu().fold_weight_norm(), meta).save_pretrained(vocoder_folder(run, task))


class _Session:
    """One session of a training, from its last checkpoint to an end: steps, time, patience or an interruption."""

    def __init__(
        self, run: Run, task: Task, state: State, data: Segments, validation: Segments, clock: SessionClock
    ) -> None:
        self.run, self.task, self.state, self.data, self.validation = run, task, state, data, validation
        self.home, self.clock = run.path / task, clock
        self.training, self.fabric, self.monitor = state.recipe.training, state.fabric, TrainingMonitor()
        self.mel = MelLoss(run.config.audio)
        self.fabric.to_device(self.mel)
        if holds_data(self.training.data_on_device, data.files, self.fabric.device):
            data.hold_on(self.fabric.device)
        self.captured = CapturedSteps(state) if self.training.cuda_graph else None

    def train(self, progress: Progress) -> list[str]:
        """Train to the end; the warnings of the session."""
        state, training, fabric, warned = self.state, self.training, self.fabric, []
        left = range(state.step, state.step if state.is_out_of_patience else training.steps)
        steps = Steps(self.data, fabric.global_rank, fabric.world_size)
        loader = DataLoader(
            steps, batch_size=None, sampler=left, num_workers=0 if self.data.is_held else training.workers
        )
        if fabric.is_global_zero:
            checkpoints.sweep(self.home / "checkpoints")
        with Log(self.home, state.step, training.tensorboard, fabric.is_global_zero) as log, stop_requests() as asked:
            if state.step == 0:
                log.write({"step": 0, **validate_on(state, self.validation, self.mel, log)})
            shown = progress(loader, len(loader), f"train {self.task}")
            for batches in shown:
                row = self._step(batches)
                out_of_time, stop = _any_of_all(fabric, self._is_out_of_time(), asked.is_set())
                new = self.monitor.check_row(row, {*state.losses, *ADVERSARIAL, "discriminator"})
                validated = out_of_time or state.step == training.steps or state.step % training.checkpoint_every == 0
                score = None
                if validated:
                    row |= _mean_of_all(fabric, validate_on(state, self.validation, self.mel, log))
                    new += self.monitor.check_score(state.step, training.best_by, row[training.best_by])
                    score = _score(training.best_by, row)
                    state.record_score(score)
                warned += new
                state.seconds = self.clock.seconds
                log.write(row | ({"warnings": new} if new else {}))
                note(shown, _summary(row, state))
                if stop or validated:
                    # After the log line, so that a checkpoint is never ahead of the log.
                    self._save(encoders=self.data.encoders, score=score)
                if stop:
                    raise Interrupted(f"stopped and saved at step {state.step}; the same command continues from there")
                if out_of_time or state.is_out_of_patience:
                    break
        return warned

    def _step(self, batches: list[Batch]) -> dict[str, float]:
        """One step with its random seed; the row for the log, the mean of all devices."""
        state = self.state
        torch.manual_seed(_seed(self.training.seed, state.step, self.fabric.global_rank))
        found = self._update([batch.to(self.fabric.device) for batch in batches])
        return {"step": state.step, "seconds": round(self.clock.seconds, 3), **_mean_of_all(self.fabric, found)}

    def _update(self, batches: list[Batch]) -> dict[str, float]:
        """``train_step``; a step that is not finite ends the training or is skipped, as the recipe says."""
        state = self.state
        try:
            return self.captured(batches) if self.captured else train_step(state, batches)
        except NonFinite as error:
            if self.training.non_finite == "stop":
                if self.fabric.is_global_zero:
                    folder = state.save(self.home / "failed", self.run.config, error=str(error))
                    raise NonFinite(f"{error}; the state is in {folder}") from error
                raise
            state.step += 1
            state.skipped += 1
            return {"skipped": state.skipped}

    def _is_out_of_time(self) -> bool:
        """Whether the wall-clock time of all sessions has reached ``max_minutes``."""
        limit = self.training.max_minutes
        return limit is not None and self.clock.seconds >= 60 * limit

    def _save(self, **more: object) -> None:
        if self.fabric.is_global_zero:
            folder = self.home / "checkpoints"
            self.state.save(checkpoints.step_folder(folder, self.state.step), self.run.config, **more)
            checkpoints.remove_old(folder, self.training.keep, "score")
        self.fabric.barrier()


def _score(name: str, row: dict[str, float]) -> float | None:
    """The validation score that selects the best checkpoint, lower is better; None when it is not finite."""
    score = SIGNS[name] * row[name]
    return score if math.isfinite(score) else None


def _is_prolonged(run: Run, task: Task, made: VocoderDescription) -> bool:
    """Whether the limit that has ended a finished training is higher now, and its last checkpoint is there."""
    limit, path, training = made.stopped_by, run.path / task, run.config.recipe(task).training
    if not limit or not checkpoints.latest(path / "checkpoints"):
        return False
    if limit == "steps" or not (path / TRAINED_WITH).exists():
        return limit == "steps" and is_higher(made.steps, training.steps)
    before = Config.from_json((path / TRAINED_WITH).read_text()).recipe(task).training
    return is_higher(getattr(before, limit), getattr(training, limit))


def _stopped_by(state: State) -> str:
    if state.step >= state.recipe.training.steps:
        return "steps"
    return "patience" if state.is_out_of_patience else "max_minutes"


@torch.no_grad()
def validate_on(state: State, data: Segments, loss: MelLoss, log: Log) -> dict[str, float]:
    """Measure the generator that would be kept on fixed segments of speakers that training does not use.

    ``validation_mel``: the mel loss, in nepers. ``conditioning_sensitivity``: mean change of the log-mel, in nepers,
    when every item gets another item's condition; 0 when the generator ignores it.
    """
    generator, total = state.result.eval(), 0.0
    for number in range(VALIDATION_BATCHES):
        batch = data.batch(number).to(state.fabric.device)
        whole = generator(batch.content, batch.speaker, batch.emotion)
        estimate = batch.band_limited(whole).squeeze(1)
        total += float(loss(estimate, batch.band_limited(batch.wav).squeeze(1)))
        if number == 0:
            other = batch.band_limited(generator(batch.content, *_other_condition(batch, data))).squeeze(1)
            sensitivity = float(mel_loss(loss.mel(other), loss.mel(estimate)))
            for name, wav in (("estimate", whole[0]), ("recording", batch.wav[0])):
                log.add_audio(name, wav[0].cpu().numpy(), loss.mel(wav)[0].cpu().numpy(), data.sample_rate, state.step)
    generator.train()
    return {"validation_mel": total / VALIDATION_BATCHES, "conditioning_sensitivity": sensitivity}


def _other_condition(batch: Batch, data: Segments) -> tuple[Tensor, Tensor]:
    """(B, S), (B, E) of the neighbouring item of validation batch 0; of the next batch when it has one item only."""
    if len(batch.ids) > 1:
        return batch.speaker.roll(1, 0), batch.emotion.roll(1, 0)
    following = data.batch(1).to(batch.speaker.device)
    return following.speaker, following.emotion


def _seed(seed: int, step: int, rank: int) -> int:
    return int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0])


def _mean_of_all(fabric: "Fabric", row: dict[str, float]) -> dict[str, float]:
    """The mean of each value over all devices."""
    if fabric.world_size == 1:
        return row
    means = cast(Tensor, fabric.all_reduce(torch.tensor(list(row.values()), dtype=torch.float64), reduce_op="mean"))
    return dict(zip(row, means.tolist(), strict=True))


def _any_of_all(fabric: "Fabric", *flags: bool) -> list[bool]:
    """Each flag, true when it is true on any device."""
    if fabric.world_size == 1:
        return list(flags)
    counts = cast(Tensor, fabric.all_reduce(torch.tensor(flags, dtype=torch.float32), reduce_op="sum"))
    return [count > 0 for count in counts.tolist()]


def _summary(row: dict[str, float], state: State) -> str:
    """The losses of this step, for the progress bar."""
    shown = [*state.losses, "adversarial", "discriminator"]
    return ", ".join(f"{name} {row[name]:.3f}" for name in shown if name in row)


@contextmanager
def stop_requests() -> Iterator[threading.Event]:
    """An event that Ctrl-C, SIGTERM or SIGHUP sets; the current step is finished. A second one interrupts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame) -> None:
        asked.set()
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.signal(number, ask) for number in (signal.SIGINT, *ending_signals())}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
