"""A training that is stopped in any way goes on exactly where it was."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from helpers import beside, log_of, train_command

from thesis_lib.config import Config
from thesis_lib.runs.folder import Run
from thesis_lib.runs.vocoders import vocoder_changes
from thesis_lib.training import Interrupted, train
from thesis_lib.training.loop import stop_requests
from thesis_lib.vocoder import checkpoints

ROOT = Path(__file__).parents[2]
STEPS = 12
EVERYTHING = {
    "steps": STEPS,
    "adversarial_from": 4,
    "auxiliary_from": 4,
    "checkpoint_every": 1,
    "keep": STEPS,
    "ema_decay": 0.9,
    "schedule": "cosine",
    "warmup_steps": 3,
    "tensorboard": False,
}


def whole(tiny_run, folder, **more):
    """A training of twelve steps with everything on, a checkpoint after each."""
    changes = {f"conversion__training__{key}": value for key, value in (EVERYTHING | more).items()}
    run = beside(tiny_run, folder, conversion__generator__condition_dropout=0.2, **changes)
    train(run, "conversion")
    return run


def resumed(run, folder, step, steps=STEPS):
    """The same training, dead after a step and gone on for so many."""
    other = Run(folder, run.config)
    for name in ("corpus", "embeddings", "analyses"):
        shutil.copytree(run.path / name, other.path / name)
    here, there = (checkpoints.step_folder(r.path / "conversion" / "checkpoints", step) for r in (run, other))
    shutil.copytree(here, there)
    shutil.copy(run.path / "conversion" / "metrics.jsonl", other.path / "conversion")
    train(other, "conversion", lambda batches, *_: itertools.islice(batches, steps))
    return other


def test_the_stamp_of_a_prolonged_training_names_the_configuration_that_made_it(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    train(run, "conversion", lambda items, _, label: itertools.islice(items, 2) if "train" in label else items)
    more = run.config.override({"conversion.training.steps": 6})
    shutil.rmtree(run.path / "conversion" / "vocoder", ignore_errors=True)  # of the session of two steps
    vocoder = train(Run(run.path, more), "conversion")
    assert vocoder.meta["steps"] == 6
    assert vocoder.meta["stamp"]["config"] == more.digest() != run.config.digest()
    stored = Config.from_json((run.path / "conversion" / "trained_with.json").read_text())
    assert stored.digest() == more.digest()


def after(run, step):
    tensors, meta = checkpoints.load(checkpoints.step_folder(run.path / "conversion" / "checkpoints", step))
    return tensors, {key: meta[key] for key in ("step", "skipped", "optimizers", "scaler", "config")}


def assert_equal(one, other, step=STEPS):
    (tensors, meta), (others, other_meta) = after(one, step), after(other, step)
    assert tensors.keys() == others.keys()
    parts = {"generator", "discriminator", "average", "optimizer_generator"}
    if step > EVERYTHING["adversarial_from"]:
        parts.add("optimizer_discriminator")
    assert {name.split(".")[0] for name in tensors} == parts
    assert all(torch.equal(tensors[name], others[name]) for name in tensors)
    assert meta == other_meta

    def log(run):
        rows = log_of(run, "conversion")[: step + 1]
        return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]

    assert log(one) == log(other)


@pytest.mark.slow
def test_resumed_after_any_step_it_equals_the_uninterrupted_bit_for_bit(tiny_run, tmp_path):
    """Every tensor, both optimizers, the average and the log; there is no scheduler and no random state to restore."""
    run = whole(tiny_run, tmp_path / "whole")
    # The next step's checkpoint is everything that the step after it begins with, so one step stands for all;
    # from three places it goes on to the end all the same.
    for step in range(1, STEPS):
        assert_equal(run, resumed(run, tmp_path / str(step), step, steps=1), step + 1)
    for step in (2, 5, 9):  # before, just after and long after the adversarial losses begin
        assert_equal(run, resumed(run, tmp_path / f"{step} to the end", step))


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [{"precision": "bf16-mixed"}, {"accumulate": 2}, {"workers": 2}], ids=lambda more: [*more][0]
)
def test_so_do_other_ways_to_train(tiny_run, tmp_path, more):
    run = whole(tiny_run, tmp_path / "whole", **more)
    for step in (4, 9):
        assert_equal(run, resumed(run, tmp_path / str(step), step))


@pytest.mark.parametrize(("limit", "low", "high"), [("patience", 1, 100), ("max_minutes", 1e-9, None)])
def test_a_training_that_a_limit_has_ended_goes_on_with_a_higher_one(tiny_run, tmp_path, limit, low, high):
    changes = {f"conversion__training__{limit}": low, "conversion__training__learning_rate": 0.1}
    first = beside(tiny_run, tmp_path / "run", conversion__training__checkpoint_every=1, **changes)
    short = train(first, "conversion").meta
    assert short["stopped_by"] == limit
    assert train(Run(first.path, first.config), "conversion").meta == short, "no step more with the same limit"
    longer = train(Run(first.path, first.config.override({f"conversion.training.{limit}": high})), "conversion").meta
    assert longer["stopped_by"] == "steps"
    assert longer["steps"] == first.config.conversion.training.steps > short["steps"]


def test_an_interruption_finishes_the_step_saves_and_says_how_to_go_on(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run", conversion__training__steps=100_000)

    def interrupt():
        while not (run.path / "conversion" / "checkpoints" / "step-00000002").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Interrupted, match=r"saved at step \d+; the same command continues"):
        train(run, "conversion")
    thread.join()
    assert signal.getsignal(signal.SIGINT) is before
    newest = checkpoints.latest(run.path / "conversion" / "checkpoints")
    lines = (run.path / "conversion" / "metrics.jsonl").read_text().splitlines()
    assert checkpoints.load(newest)[1]["step"] == len(lines) - 1, "nothing is lost"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_every_signal_that_ends_a_process_finishes_the_step(number):
    earlier = signal.signal(number, lambda *given: None)  # a process under nohup ignores SIGHUP
    try:
        with stop_requests() as asked:
            signal.raise_signal(number)
            assert asked.is_set()
    finally:
        signal.signal(number, earlier)


@pytest.mark.slow
def test_the_command_stops_on_sigterm_with_its_own_exit_code(tiny_run, tmp_path):
    folder = beside(tiny_run, tmp_path / "run", conversion__training__steps=100_000).path
    command = train_command(folder, {"conversion.training.steps": 100_000})
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (folder / "conversion" / "checkpoints" / "step-00000002").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "thesis: stopped and saved at step" in said.splitlines()[-1]


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_whole_checkpoint():
    """Five kills here; `python -m benchmarks kills` does two hundred. In a process of its own: it forks."""
    code = "import benchmarks.kills as k, json; print(json.dumps(k.run(quick=True)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == 5
    assert found["steps trained"] >= 4  # each kill waits for a step, and the last may be lost
    assert found["most steps lost"] <= 1


def test_a_full_disk_is_a_clear_error_and_the_old_checkpoint_stays(tmp_path):
    """A limit on the size of files is a disk that is full, as far as the writer can tell."""
    code = """
import resource, signal, sys, torch
from pathlib import Path
from thesis_lib.vocoder import checkpoints
folder = Path(sys.argv[1])
checkpoints.save(folder / "step-00000001", {"a": torch.ones(10)}, {"step": 1})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    checkpoints.save(folder / "step-00000002", {"a": torch.ones(100_000)}, {"step": 2})
except checkpoints.CheckpointError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert "cannot write" in done.stdout, done.stderr
    assert "free some space" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert checkpoints.load(checkpoints.latest(tmp_path))[1] == {"step": 1}


def test_more_steps_continue_a_finished_training(tiny_run, tmp_path):
    """Four steps and then six equal six at once, and a second call trains no more."""
    four, six = (beside(tiny_run, tmp_path / name, conversion__training__steps=n) for name, n in (("4", 4), ("6", 6)))
    assert train(four, "conversion").meta["steps"] == 4
    longer = Run(four.path, six.config)
    first = train(longer, "conversion")
    assert (first.meta["steps"], first.meta["stopped_by"]) == (6, "steps")
    whole = train(six, "conversion")
    pairs = zip(first.generator.state_dict().values(), whole.generator.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    assert [row["step"] for row in log_of(longer, "conversion")] == list(range(7))
    assert train(Run(four.path, four.config), "conversion").meta == first.meta, "fewer steps: it is finished"
    assert not vocoder_changes(longer, "conversion")
