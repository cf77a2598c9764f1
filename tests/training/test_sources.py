"""Training data in the memory of the training device equal those of the files."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import beside, log_of

from thesis_lib.audio.files import write_audio
from thesis_lib.audio.mel import LogMel
from thesis_lib.audio.pitch import Pitch
from thesis_lib.config import TASKS, AudioConfig, ContentConfig
from thesis_lib.training import sources, train
from thesis_lib.training.segments import Segments
from thesis_lib.training.sources import FileSource, ResidentSource, Rows, holds_data, size_of
from thesis_lib.vocoder.content import PHONETIC, Analysis

AUDIO = AudioConfig()
CPU = torch.device("cpu")


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", ["train", "validation"])
def test_batches_are_the_same_bit_for_bit(tiny_run, task, split):
    files, held = (Segments(tiny_run, task, split) for _ in range(2))
    assert not held.is_held
    held.hold_on(CPU)
    assert held.is_held
    for number in range(4):
        a, b = files.batch(number), held.batch(number)
        assert a.ids == b.ids
        for name in ("wav", "content", "speaker", "emotion"):
            assert torch.equal(getattr(a, name), getattr(b, name)), name


@pytest.fixture
def phonetic(tmp_path) -> FileSource:
    """Three recordings of different lengths, the last one shorter than a segment, with analyses in half precision."""
    rng = np.random.default_rng(0)
    recordings, targets, analyses = [], [], []
    for number, frames in enumerate((60, 41, 20)):
        for folder, paths in (("recordings", recordings), ("targets", targets)):
            paths.append(tmp_path / folder / f"{number}.wav")
            write_audio(paths[-1], (0.1 * rng.normal(size=frames * 256 + 7)).astype(np.float32), 22_050)
        features = rng.normal(size=(PHONETIC, frames)).astype(np.float16).astype(np.float32)
        pitch = Pitch(rng.normal(5, 0.3, frames).astype(np.float32), rng.uniform(size=frames).astype(np.float32))
        analyses.append(Analysis(pitch, rng.normal(size=80).astype(np.float32), features))
    return FileSource(recordings, targets, analyses.__getitem__, AUDIO, ContentConfig(kind="phonetic"))


def test_phonetic_content_teacher_s_targets_and_short_recordings_too(phonetic):
    held = ResidentSource(phonetic, CPU)
    assert [held.samples(i) for i in range(3)] == [phonetic.samples(i) for i in range(3)]
    for starts in ([0, 0, 0], [28, 9, 0]):
        (target, content), (expected, reference) = (
            source.segments([0, 1, 2], starts, 32, None) for source in (held, phonetic)
        )
        assert torch.equal(target, expected)
        assert torch.equal(content, reference)
    wav = phonetic._cuts(phonetic.recordings, [0, 1, 2], [0, 0, 0], 32)
    assert not torch.equal(held.segments([0, 1, 2], [0, 0, 0], 32, None)[0], wav), "the targets are the teacher's"
    assert torch.equal(LogMel(AUDIO)(wav).mean(1), content_energy(held))


def content_energy(source) -> torch.Tensor:
    """(B, T) mean log-mel, from the content's energy channel."""
    content = source.segments([0, 1, 2], [0, 0, 0], 32, None)[1]
    mel = LogMel(AUDIO)(source._cuts(source._wavs, [0, 1, 2], [0, 0, 0], 32))
    assert torch.equal(content[:, PHONETIC], (mel.mean(1) + 5.0) / 2.0)
    return mel.mean(1)


def test_rows_past_the_end_are_the_last_one_or_zero():
    rows = Rows([np.arange(3)[:, None], 10 + np.arange(2)[:, None]], CPU)
    assert rows.cut([1, 0], [0, 1], 4).squeeze(2).tolist() == [[10, 11, 11, 11], [1, 2, 2, 2]]
    assert rows.cut([1, 0], [0, 1], 4, "constant").squeeze(2).tolist() == [[10, 11, 0, 0], [1, 2, 0, 0]]
    assert (rows.length(0), rows.length(1)) == (3, 2)


def test_a_training_with_its_data_in_memory_is_the_same(tiny_run, tmp_path):
    runs = []
    for wanted in ("off", "on"):
        changes = {"conversion__training__data_on_device": wanted, "conversion__training__workers": 2}
        runs.append(beside(tiny_run, tmp_path / wanted, **changes))
    monitored = [train(run, "conversion").generator.state_dict() for run in runs]
    assert all(torch.equal(monitored[0][name], tensor) for name, tensor in monitored[1].items())
    logs = [[{k: v for k, v in row.items() if k != "seconds"} for row in log_of(run, "conversion")] for run in runs]
    assert json.dumps(logs[0]) == json.dumps(logs[1])


def test_the_size_is_that_of_the_tensors(phonetic):
    held = ResidentSource(phonetic, CPU)
    parts = (held._wavs, held._targets, held._phonetic, held._log_f0, held._voicing)
    exact = sum(rows._data.nbytes for rows in parts) + held._means.nbytes
    assert size_of(phonetic) == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize(
    ("wanted", "device", "free", "expected"),
    [
        ("off", "cuda", 1e12, False),
        ("on", "cpu", 0, True),
        ("auto", "cpu", 1e12, False),
        ("auto", "cuda", 1e12, True),
        ("auto", "cuda", 1.5, False),
    ],
)
def test_auto_is_a_gpu_with_room(phonetic, monkeypatch, wanted, device, free, expected):
    free = free if free > 10 else free * size_of(phonetic)
    monkeypatch.setattr(sources.torch.cuda, "mem_get_info", lambda _: (free, free))
    assert holds_data(wanted, phonetic, SimpleNamespace(type=device)) == expected
