"""Several processes on a CPU: the same result, and an end when one of them dies; what devices cannot do is refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import lightning_fabric
import pytest
import torch
from helpers import beside, log_of, train_command

from thesis_lib.training import TrainingError, fabric_of, train
from thesis_lib.vocoder import checkpoints

CHANGES = {
    "conversion.training.steps": 20,
    "conversion.training.adversarial_from": 10,
    "conversion.training.auxiliary_from": 10,
    "conversion.training.batch_size": 4,
    "conversion.generator.condition_dropout": 0.0,
}
NAMED = {key.replace(".", "__"): value for key, value in CHANGES.items()}
TORCHRUN = [str(Path(sys.executable).with_name("torchrun")), "--standalone", "--nproc-per-node", "2"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def command_of(folder, launcher="thesis", changes=CHANGES):
    command = [*train_command(folder, changes), "--devices", "2", "--accelerator", "cpu"]
    return [*TORCHRUN, "--no-python", *command] if launcher == "torchrun" else command


def last(run, task="conversion"):
    return checkpoints.load(checkpoints.latest(run.path / task / "checkpoints"))[0]


@pytest.fixture(scope="module")
def alone(tiny_run, tmp_path_factory):
    run = beside(tiny_run, tmp_path_factory.mktemp("alone") / "run", **NAMED)
    train(run, "conversion")
    return run


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "steps"), [("thesis", 20), ("torchrun", 4)])
def test_two_processes_train_like_one(tiny_run, alone, tmp_path, launcher, steps):
    changes = CHANGES | {"conversion.training.steps": steps}
    run = beside(tiny_run, tmp_path / "run", **NAMED | {"conversion__training__steps": steps})
    command = command_of(run.path, launcher, changes)
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"{steps} steps in") == 1, "one process speaks"
    assert last(alone).keys() >= last(run).keys()
    expected, found = log_of(alone, "conversion")[: steps + 1], log_of(run, "conversion")
    assert [row["step"] for row in found] == [row["step"] for row in expected]
    assert found[-1].keys() >= expected[-1].keys()
    assert found[1]["generator_norm"] == pytest.approx(expected[1]["generator_norm"], rel=1e-5)
    assert found[-1]["multi_scale_mel"] == pytest.approx(expected[-1]["multi_scale_mel"], rel=1e-3)


@pytest.mark.slow
def test_with_the_same_batch_they_give_the_result_of_one(tiny_run, tmp_path):
    """Every tensor after twenty steps, ten of them adversarial."""
    changes = {key.replace("conversion", "resynthesis"): value for key, value in NAMED.items()}
    runs = [beside(tiny_run, tmp_path / name, **changes) for name in ("alone", "together")]
    script = str(Path(__file__).with_name("train_in_double.py"))
    for launcher, run in zip(([sys.executable], TORCHRUN), runs, strict=True):
        command = [*launcher, script, str(run.path)]
        done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=300)
        assert done.returncode == 0, done.stderr
    expected, found = (last(run, "resynthesis") for run in runs)
    assert expected.keys() == found.keys()
    assert expected["generator.pre.bias"].dtype == torch.float64
    assert max(float((expected[name] - found[name]).abs().max()) for name in expected) <= 1e-5


@pytest.mark.slow
def test_a_process_that_dies_ends_the_training(tiny_run, tmp_path):
    changes = CHANGES | {"conversion.training.steps": 100_000}
    run = beside(tiny_run, tmp_path / "run", **NAMED | {"conversion__training__steps": 100_000})
    process = subprocess.Popen(
        command_of(run.path, changes=changes), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    while checkpoints.latest(run.path / "conversion" / "checkpoints") is None:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (other,) = [child for child in children if b"train" in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(int(other), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert all(tensor.isfinite().all() for tensor in last(run).values() if torch.is_floating_point(tensor))


def test_float16_is_refused_on_a_cpu(tiny_run):
    training = tiny_run.config.resynthesis.training.model_copy(update={"precision": "16-mixed"})
    with pytest.raises(TrainingError, match="needs a GPU"):
        fabric_of(training, accelerator="cpu")


def test_a_batch_that_the_devices_cannot_share_is_refused(tiny_run):
    training = tiny_run.config.resynthesis.training.model_copy(update={"batch_size": 3})
    with pytest.raises(TrainingError, match="cannot be shared by 2"):
        fabric_of(training, devices=2, accelerator="cpu")


def test_devices_and_nodes_reach_the_fabric(tiny_config, monkeypatch):
    monkeypatch.setattr(lightning_fabric, "Fabric", lambda **given: given)
    given = fabric_of(tiny_config.conversion.training.model_copy(update={"batch_size": 12}), 2, 3, "cpu")
    assert (given["devices"], given["num_nodes"], given["accelerator"]) == (2, 3, "cpu")
