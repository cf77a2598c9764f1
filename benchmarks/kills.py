"""SIGKILL at random moments of a training that saves after every step: whether a checkpoint always loads.

Each attempt is a forked process that trains on from what the last one left; finished, a new training begins. A kill
loses the step in hand and nothing more: the newest checkpoint stands at the last logged step or one before it.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from tqdm import tqdm

from thesis_lib.config import Config
from thesis_lib.runs.folder import Run
from thesis_lib.training import fabric_of, train
from thesis_lib.training.stages import run_earlier_stages
from thesis_lib.vocoder import checkpoints

# Of a process before it is killed. Counted in steps: in a fixed time a slow machine may train no step.
MAX_TRAINED_STEPS = 5.0
TASK = "conversion"
SETTINGS = {
    "corpus.limit": 4,
    "encoders.speaker": "tiny-test",
    f"{TASK}.training.steps": 100,
    f"{TASK}.training.checkpoint_every": 1,
    f"{TASK}.training.tensorboard": False,
}


def run(quick: bool) -> dict:
    """The kills, their moments, and the steps lost; an unreadable checkpoint raises an error."""
    # A forked process must not meet threads that its parent began.
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        return kill(Path(folder), 5 if quick else 200)


def kill(folder: Path, count: int, seed: int = 0) -> dict:
    """``count`` kills of trainings below a folder."""
    rng = random.Random(seed)
    config = Config.from_profile("smoke").override(SETTINGS)
    home = Run(folder / "run", config)
    # What every process would prepare and import again.
    run_earlier_stages(home, TASK)
    fabric_of(config.recipe(TASK).training)
    found = {"kills": 0, "steps trained": 0, "in a save": 0, "finished trainings": 0, "most steps lost": 0}
    before = 0
    with tqdm(total=count) as bar:
        while found["kills"] < count:
            if _killed(home, rng.uniform(1, MAX_TRAINED_STEPS)):
                found["kills"] += 1
                bar.update()
                reached = _inspect(home.path / TASK, found)
                found["steps trained"] += reached - before
                before = reached
            else:
                found["finished trainings"] += 1
                shutil.rmtree(home.path / TASK)
                before = 0
    return found


def _killed(home: Run, steps: float) -> bool:
    """Continue training; kill the process after ``steps`` steps. A fraction is that fraction of one step's duration.

    Returns whether it was killed: False where the training ended before. RuntimeError where the training failed.
    """
    before = _logged(home.path / TASK)
    process = os.fork()
    if process == 0:
        try:
            train(home, TASK)
        except BaseException as error:
            print(f"training failed: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    whole = int(steps)
    times = [time.time()]
    while len(times) <= whole and os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        if _logged(home.path / TASK) >= before + len(times):
            times.append(time.time())
        else:
            time.sleep(0.001)
    time.sleep((steps - whole) * (times[-1] - times[-2]) if len(times) > whole else 0)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("a training did not go on after a kill")
    return os.WIFSIGNALED(status)


def _logged(home: Path) -> int:
    """The last step in a training's log."""
    log = home / "metrics.jsonl"
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return max((json.loads(line)["step"] for line in lines if line.endswith("\n")), default=0)


def _inspect(home: Path, found: dict) -> int:
    """Load what is left, compare it with the log, and see whether the kill fell into a save; the step it stands at."""
    found["in a save"] += any((home / "checkpoints").glob(".partial-*"))
    newest = checkpoints.latest(home / "checkpoints")
    saved = checkpoints.load(newest)[1]["step"] if newest else 0
    found["most steps lost"] = max(found["most steps lost"], _logged(home) - saved)
    return saved
