import json

import pytest
from helpers import trained_beside

from thesis_lib.config import Config
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.stages import RECORD
from thesis_lib.runs.vocoders import load_trained_vocoder
from thesis_lib.vocoder.description import EncoderMismatchError
from thesis_lib.vocoder.synthesis import DeviceError


def test_a_trained_vocoder_is_loaded(tiny_run):
    assert load_trained_vocoder(tiny_run, "conversion").converts


def test_without_one_the_command_that_makes_it_is_named(tmp_path):
    run = Run(tmp_path / "run", Config())
    with pytest.raises(RunError, match="thesis train --task conversion --profile thesis --run-dir"):
        load_trained_vocoder(run, "conversion")
    assert not (run.path / "conversion").exists()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"speaker": "ecapa (1)"}, r"speaker encoder tiny-test-encoder \(1\), the embeddings are by ecapa \(1\)"),
        ({"speaker": "tiny-test-encoder (2)"}, r"encoder \(1\), the embeddings are by tiny-test-encoder \(2\)"),
        ({"emotion": "another-emotion (1)"}, r"emotion encoder egemaps \(\S+\), the embeddings are by another-emotion"),
    ],
)
@pytest.mark.parametrize("recorded", [True, False])
def test_a_vocoder_of_other_encoders_is_refused(tiny_run, tmp_path, changed, says, recorded):
    """Of the same size, so that it would compute; also where an earlier version recorded no inputs."""
    run = trained_beside(tiny_run, tmp_path / "run")
    summary = run.path / "embeddings" / "embeddings.json"
    summary.write_text(json.dumps(json.loads(summary.read_text()) | changed))
    if not recorded:
        (run.path / "conversion" / RECORD).unlink()
    with pytest.raises(EncoderMismatchError, match=f"{says}.*run `thesis train --task conversion"):
        load_trained_vocoder(run, "conversion")


def test_another_precision_is_the_same_encoder(tiny_run, tmp_path):
    run = trained_beside(tiny_run, tmp_path / "run")
    summary = run.path / "embeddings" / "embeddings.json"
    (run.path / "conversion" / RECORD).unlink()
    summary.write_text(json.dumps(json.loads(summary.read_text()) | {"speaker": "tiny-test-encoder (1-bfloat16)"}))
    assert load_trained_vocoder(run, "conversion").converts


def test_it_is_loaded_on_the_device_of_the_run(tiny_run, monkeypatch):
    monkeypatch.setattr(tiny_run, "device", "cuda:99")
    with pytest.raises(DeviceError, match="cuda"):
        load_trained_vocoder(tiny_run, "conversion")
