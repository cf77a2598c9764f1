"""No evaluation runs a stage: where a result is missing, each names the command that makes it."""

import re
import shlex
import shutil

import pytest
from helpers import beside, trained_beside
from typer.testing import CliRunner

from thesis_lib.cli import app
from thesis_lib.compression import compress
from thesis_lib.reporting.sample_matrix import sample_matrix
from thesis_lib.runs.folder import RunError
from thesis_lib.training import gradient_norms, train
from thesis_lib.validation import cloning_report, validate
from thesis_lib.validation.adaptation import adaptation_test
from thesis_lib.validation.cloning_report import clone_report
from thesis_lib.validation.listening import build_listening_test
from thesis_lib.validation.pairs import validate_pairs
from thesis_lib.validation.speaker_leak import leaks
from thesis_lib.validation.speaker_test import speaker_test
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
    "speaker_test": ("conversion", speaker_test),
    "gradient_norms": ("conversion", lambda run: gradient_norms(run, "conversion")),
}
WITHOUT_EMBEDDINGS = {"clone_report"}  # it embeds the recordings that it clones


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_missing_vocoder_is_named_with_its_command(name, tiny_run, tmp_path):
    task, consumer = CONSUMERS[name]
    run = beside(tiny_run, tmp_path / "run")
    with pytest.raises(RunError, match=f"thesis train --task {task} --profile smoke --run-dir {run.path}"):
        consumer(run)
    assert not (run.path / task).exists(), "nothing was trained"


@pytest.fixture
def files_of():
    """The files below a run, to see that nothing was made but an empty folder or a log."""
    return lambda run: sorted(str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", sorted(CONSUMERS.keys() - WITHOUT_EMBEDDINGS))
@pytest.mark.parametrize(("gone", "command"), [("embeddings", "thesis embed"), ("corpus", "thesis prepare")])
def test_missing_results_of_a_stage_are_named_with_its_command(name, gone, command, tiny_run, tmp_path, files_of):
    run = trained_beside(tiny_run, tmp_path / "run")
    shutil.rmtree(run.path / gone)
    before = files_of(run)
    with pytest.raises(RunError, match=f"`{command} --profile smoke --run-dir {run.path}.*` first"):
        CONSUMERS[name][1](run)
    assert files_of(run) == before, "nothing was prepared or embedded"


def test_a_report_without_a_corpus_names_the_command_too(tiny_run, tmp_path, stages, monkeypatch):
    run = trained_beside(tiny_run, tmp_path / "run")
    shutil.rmtree(run.path / "corpus")
    monkeypatch.setattr(cloning_report, "build", lambda *given, **named: None)
    with pytest.raises(RunError, match="thesis prepare"):
        clone_report(run)


def test_validation_needs_the_english_side_where_style_is_measured_only(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run", validation__metrics=("mel_l1",), validation__utterances=2)
    for name in ("speaker_target.npy", "emotion_target.npy"):
        (run.path / "embeddings" / name).unlink()
    assert len(validate(run)) > 0
    styled = trained_beside(run, tmp_path / "styled", validation__metrics=("style",))
    says = r"embeddings lacks speaker_target.npy and emotion_target.npy: run `thesis embed"
    with pytest.raises(RunError, match=says):
        validate(styled)


def test_gradients_need_the_analyses_and_the_distillation_targets(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run")
    with pytest.raises(RunError, match=r"analyses/envelope lacks \d+ of \d+ analyses: run `thesis analyse --task conv"):
        gradient_norms(run, "conversion")
    assert not (run.path / "analyses").exists()
    teacher = str(tiny_run.path / "resynthesis" / "vocoder")
    student = beside(tiny_run, tmp_path / "student", resynthesis__training__teacher=teacher)
    train(student, "resynthesis")
    shutil.rmtree(student.path / "distilled")
    vocoder = student.path / "resynthesis" / "vocoder"
    says = rf"lacks (\d+) of \1 distillation targets: remove {vocoder} and run `thesis train --task resynthesis"
    with pytest.raises(RunError, match=says):
        gradient_norms(student, "resynthesis")
    assert not (student.path / "distilled").exists()
    shutil.rmtree(vocoder)
    train(student, "resynthesis")
    assert gradient_norms(student, "resynthesis").keys() >= {"mel", "stft"}, "the remedy works"


def test_the_adaptation_test_needs_adapted_vocoders(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run", adaptation__voices=1)
    with pytest.raises(RunError, match=r"adapted/0 holds no vocoder adapted from .*: run `(.*)` first") as error:
        adaptation_test(run)
    assert not (run.path / "adapted").exists()
    command = shlex.split(re.search("`(.*)`", str(error.value))[1])
    done = CliRunner().invoke(app, command[1:])
    assert done.exit_code == 0, done.exception
    assert len(adaptation_test(run)) > 0


def test_a_leak_is_searched_in_embeddings_that_are_there(tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run")
    shutil.rmtree(run.path / "embeddings")
    with pytest.raises(RunError, match="thesis embed"):
        leaks(run)


def test_published_pairs_need_one_too(tiny_run, tmp_path):
    (tmp_path / "pairs" / "g_es_src").mkdir(parents=True)
    (tmp_path / "pairs" / "g_es_src" / "a.wav").touch()
    with pytest.raises(RunError, match="thesis train --task conversion"):
        validate_pairs(beside(tiny_run, tmp_path / "run"), tmp_path / "pairs")
