"""Distillation targets."""

import shutil

import pytest
from helpers import beside
from safetensors.numpy import load_file, save_file

from thesis_lib.runs.folder import RunError
from thesis_lib.training.distillation import distilled, load_distilled


def test_targets_of_earlier_weights_of_a_teacher_are_not_used(tiny_run, tmp_path):
    """The folder and the description of the teacher stay the same."""
    teacher = tmp_path / "teacher"
    shutil.copytree(tiny_run.path / "resynthesis" / "vocoder", teacher)
    run = beside(tiny_run, tmp_path / "run", resynthesis__training__teacher=str(teacher))
    before = distilled(run, "resynthesis")
    assert load_distilled(run, "resynthesis") == before
    weights = load_file(teacher / "model.safetensors")
    save_file({name: 1.5 * tensor for name, tensor in weights.items()}, teacher / "model.safetensors")
    with pytest.raises(RunError, match="distillation targets"):
        load_distilled(run, "resynthesis")
    after = distilled(run, "resynthesis")
    assert {path.parent for path in before}.isdisjoint(path.parent for path in after)
    assert before[0].read_bytes() != after[0].read_bytes()
