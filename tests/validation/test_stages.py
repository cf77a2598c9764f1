"""No evaluation trains: without a vocoder, each names the command that makes one."""

import pytest
from helpers import beside

from thesis_lib.compression import compress
from thesis_lib.reporting.sample_matrix import sample_matrix
from thesis_lib.runs.folder import RunError
from thesis_lib.validation import validate
from thesis_lib.validation.adaptation import adaptation_test
from thesis_lib.validation.cloning_report import clone_report
from thesis_lib.validation.listening import build_listening_test
from thesis_lib.validation.pairs import validate_pairs
from thesis_lib.validation.swap import style_swap, swap_test

CONSUMERS = {
    "validate": ("resynthesis", validate),
    "swap_test": ("resynthesis", swap_test),
    "compress": ("resynthesis", compress),
    "listening": ("resynthesis", lambda run: build_listening_test(run, run.path / "listening-test")),
    "style_swap": ("conversion", style_swap),
    "adaptation_test": ("conversion", adaptation_test),
    "clone_report": ("conversion", clone_report),
    "sample_matrix": ("conversion", sample_matrix),
}


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_missing_vocoder_is_named_with_its_command(name, tiny_run, tmp_path):
    task, consumer = CONSUMERS[name]
    run = beside(tiny_run, tmp_path / "run")
    with pytest.raises(RunError, match=f"thesis train --task {task} --profile smoke --run-dir {run.path}"):
        consumer(run)
    assert not (run.path / task).exists(), "nothing was trained"


def test_published_pairs_need_one_too(tiny_run, tmp_path):
    (tmp_path / "pairs" / "g_es_src").mkdir(parents=True)
    (tmp_path / "pairs" / "g_es_src" / "a.wav").touch()
    with pytest.raises(RunError, match="thesis train --task conversion"):
        validate_pairs(beside(tiny_run, tmp_path / "run"), tmp_path / "pairs")
