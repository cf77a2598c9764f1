import dataclasses
import json
import shutil

import pytest
from helpers import trained_beside
from synthetic_run import synthetic_run

from thesis_lib import pretrained
from thesis_lib.config import Config
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.runs.stages import RECORD, TRAIN, StaleError, record_inputs
from thesis_lib.runs.vocoders import check_vocoder, load_trained_vocoder, vocoder_changes, vocoder_inputs
from thesis_lib.vocoder import hub
from thesis_lib.vocoder.checkpoints import WEIGHTS
from thesis_lib.vocoder.description import EncoderMismatchError
from thesis_lib.vocoder.sources import RELEASED, SMALL
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


@pytest.mark.parametrize("setting", ["warm_start", "teacher"])
def test_weights_that_are_trained_again_make_the_vocoder_stale_by_name(tmp_path, setting):
    start = shutil.copytree(RELEASED[SMALL], tmp_path / "start")
    run = synthetic_run(tmp_path / "run", **{setting: str(start)})
    manifest, name = load_manifest(run), f"weights of the {setting.replace('_', ' ')}"
    inputs = vocoder_inputs(run, "conversion", manifest)
    record_inputs(run, TRAIN, inputs, "conversion")
    assert vocoder_changes(run, "conversion") == []
    weights = start / WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-4] + bytes(4))
    assert vocoder_changes(run, "conversion") == [name]
    with pytest.raises(StaleError, match=rf"conversion is stale \({name} was .*, is .*run `thesis train"):
        check_vocoder(run, "conversion")
    shutil.rmtree(start)
    assert vocoder_changes(run, "conversion") == [], "of weights that are gone nothing is known"
    earlier = {key: value for key, value in inputs.items() if not key.startswith("weights")}
    (run.path / "conversion" / RECORD).write_text(json.dumps({"inputs": earlier}))
    shutil.copytree(RELEASED[SMALL], start)
    assert vocoder_changes(run, "conversion") == [], "nor of a vocoder of an earlier version"


def test_the_weights_of_the_losses_are_inputs_of_the_vocoder(tmp_path, monkeypatch):
    run = synthetic_run(tmp_path / "run")
    record_inputs(run, TRAIN, vocoder_inputs(run, "conversion", load_manifest(run)), "conversion")
    known = pretrained.REGISTRY["ecapa-speakers"]
    monkeypatch.setitem(pretrained.REGISTRY, "ecapa-speakers", dataclasses.replace(known, files={"a": "0" * 64}))
    assert vocoder_changes(run, "conversion") == ["weights of losses.sampled_speaker"]


def test_a_warm_start_from_the_hub_is_not_looked_up(tmp_path, monkeypatch):
    run = synthetic_run(tmp_path / "run", warm_start="somebody/vocoder")
    monkeypatch.setattr(hub, "download_vocoder", lambda *given: pytest.fail("the hub is asked"))
    assert "weights of the warm start" not in vocoder_inputs(run, "conversion", load_manifest(run))


def test_it_is_loaded_on_the_device_of_the_run(tiny_run, monkeypatch):
    monkeypatch.setattr(tiny_run, "device", "cuda:99")
    with pytest.raises(DeviceError, match="cuda"):
        load_trained_vocoder(tiny_run, "conversion")
