import pytest

from thesis_lib.config import Config
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.vocoders import load_vocoder
from thesis_lib.vocoder.synthesis import DeviceError


def test_a_trained_vocoder_is_loaded(tiny_run):
    assert load_vocoder(tiny_run, "conversion").converts


def test_without_one_the_command_that_makes_it_is_named(tmp_path):
    run = Run(tmp_path / "run", Config())
    with pytest.raises(RunError, match="thesis train --task conversion --profile thesis --run-dir"):
        load_vocoder(run, "conversion")
    assert not (run.path / "conversion").exists()


def test_it_is_loaded_on_the_device_of_the_run(tiny_run, monkeypatch):
    monkeypatch.setattr(tiny_run, "device", "cuda:99")
    with pytest.raises(DeviceError, match="cuda"):
        load_vocoder(tiny_run, "conversion")
