"""Whisper's device and the windows of its encoder, with a substitute for CTranslate2's model.

No machine of the tests has a GPU.
"""

import numpy as np
import pytest
import torch
from helpers import beside, voiced

from thesis_lib.config import AudioConfig, ContentConfig
from thesis_lib.pretrained import ModelError, whisper
from thesis_lib.pretrained.whisper import FRAME, Whisper
from thesis_lib.runs import analyse as stage
from thesis_lib.runs.analyse import analysed, load_analysis
from thesis_lib.vocoder import content


class Encoded:
    """A result in the GPU's memory: NumPy cannot read it there."""

    device = "cuda"

    def __init__(self, frames):
        self.frames = frames

    def to_device(self, device):
        assert device.name == "cpu"
        return np.ones((1, self.frames, content.PHONETIC), np.float16)


class Model:
    made: list[dict]
    windows: list[int]  # frames of the encoder's inputs

    def __init__(self, path, **options):
        if options["device"] not in ("cpu", "cuda"):
            raise ValueError(f"unsupported device {options['device']}\nsecond line")
        if options["device_index"] > 3:
            raise RuntimeError("CUDA failed with error invalid device ordinal")
        self.made.append(options)

    def feature_extractor(self, wav):
        return np.zeros((80, len(wav) // 160), np.float32)

    def encode(self, features):
        self.windows.append(features.shape[1] // 2)
        return Encoded(features.shape[1] // 2)


@pytest.fixture
def models(monkeypatch, tmp_path):
    """The options of every model that is made."""
    for name in ("made", "windows"):
        monkeypatch.setattr(Model, name, [], raising=False)
    monkeypatch.setattr(whisper, "_model_class", lambda: Model)
    monkeypatch.setattr(whisper.pretrained, "fetch", lambda name: tmp_path)
    content.release()
    yield Model.made
    content.release()


@pytest.mark.parametrize(
    ("frames", "windows"),
    [(10, [100]), (50, [100]), (51, [150]), (400, [450]), (401, [500, 150]), (1000, [500, 500, 300])],
)
def test_the_last_window_ends_one_to_two_seconds_after_the_recording(models, frames, windows):
    made = Whisper("whisper-tiny.en")
    assert made.encode(voiced(frames * FRAME / 16_000, 16_000), 16_000).shape == (frames, content.PHONETIC)
    assert Model.windows == windows


@pytest.mark.parametrize(("device", "kind", "number"), [("cpu", "cpu", 0), ("cuda", "cuda", 0), ("cuda:2", "cuda", 2)])
def test_a_model_is_made_on_a_device(models, device, kind, number):
    made = Whisper("whisper-tiny.en", device=device)
    assert [(options["device"], options["device_index"]) for options in models] == [(kind, number)]
    wav = voiced(1.0, 16_000)
    assert np.array_equal(made.encode(wav, 16_000), np.ones((len(wav) // FRAME, content.PHONETIC)))


def test_a_model_has_the_threads_that_are_given_or_those_of_the_process(models, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    Whisper("whisper-tiny.en")
    Whisper("whisper-tiny.en", threads=5)
    assert [options["cpu_threads"] for options in models] == [3, 5]


@pytest.mark.weights("whisper-tiny.en")
def test_loading_a_model_does_not_change_the_threads_of_torch():
    before = torch.get_num_threads()
    Whisper("whisper-tiny.en", threads=before + 1)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("device", "says"), [("mps", "unsupported device mps"), ("cuda:9", "invalid device ordinal"), ("cuda:x", "invalid")]
)
def test_a_device_that_is_not_there_is_named(models, device, says):
    with pytest.raises(ModelError, match=rf"^Whisper on the device {device}: .*{says}.*; use cpu$"):
        Whisper("whisper-tiny.en", device=device)


def test_the_stage_analyse_uses_the_device_of_the_run(models, monkeypatch, tiny_run, tmp_path):
    run = beside(tiny_run, tmp_path / "run", conversion__content=ContentConfig(kind="phonetic").model_dump())
    monkeypatch.setattr(run, "device", "cuda:1")
    monkeypatch.setattr(stage, "spread_over", None)  # each process of it would load its own Whisper on the GPU
    paths = analysed(run, "conversion")
    assert [(options["device"], options["device_index"]) for options in models] == [("cuda", 1)], "once, for all"
    assert load_analysis(paths[0]).phonetic.shape[0] == content.PHONETIC
    assert not stage._READY.is_set()


def test_an_analysis_is_on_the_cpu_unless_asked_for(models):
    content.analyse(voiced(1.0), AudioConfig(), ContentConfig(kind="phonetic"))
    assert [options["device"] for options in models] == ["cpu"]
