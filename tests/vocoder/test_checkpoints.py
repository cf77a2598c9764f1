import json
import resource
import struct

import pytest
import torch
from canaries import Bomb, case

from thesis_lib.config import AudioConfig, ContentConfig, IstftConfig
from thesis_lib.config.section import Section
from thesis_lib.vocoder import checkpoints, generators
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.synthesis import Vocoder

TENSORS = {"a": torch.randn(3, 4), "b.c": torch.arange(5, dtype=torch.uint8)}


def test_round_trip(tmp_path):
    checkpoints.save(tmp_path / "x", TENSORS, {"step": 3, "rate": 0.1})
    tensors, meta = checkpoints.load(tmp_path / "x")
    assert meta == {"step": 3, "rate": 0.1}
    assert all(torch.equal(tensors[k], v) for k, v in TENSORS.items())


def test_replaces_whole_and_leaves_nothing_beside(tmp_path):
    checkpoints.save(tmp_path / "x", TENSORS, {"step": 1})
    checkpoints.save(tmp_path / "x", {"z": torch.zeros(1)}, {"step": 2})
    tensors, meta = checkpoints.load(tmp_path / "x")
    assert list(tensors) == ["z"]
    assert meta["step"] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    checkpoints.save(tmp_path / "x", TENSORS, {"step": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(CheckpointError, match="No space left"):
        checkpoints.save(tmp_path / "x", TENSORS, {"step": 2})
    assert checkpoints.load(tmp_path / "x")[1] == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("damage", ["cut", "header", "missing"])
def test_damage_is_named(tmp_path, damage):
    checkpoints.save(tmp_path / "x", TENSORS, {})
    path = tmp_path / "x" / checkpoints.WEIGHTS
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"\xff" * 8 + data[8:])
    with pytest.raises(CheckpointError, match="x"):
        checkpoints.load(tmp_path / "x")


def test_the_newest_and_the_best_survive_pruning(tmp_path):
    assert checkpoints.latest(tmp_path) is None
    assert checkpoints.best(tmp_path, "loss") is None
    for step, loss in ((2, 0.5), (10, 0.1), (20, None), (100, 0.3)):
        checkpoints.save(checkpoints.step_folder(tmp_path, step), TENSORS, {"step": step, "loss": loss})
    assert checkpoints.latest(tmp_path) == checkpoints.step_folder(tmp_path, 100)
    assert checkpoints.best(tmp_path, "loss") == checkpoints.step_folder(tmp_path, 10)
    checkpoints.remove_old(tmp_path, 1, "loss")
    assert [checkpoints.load(p)[1]["step"] for p in sorted(tmp_path.iterdir())] == [10, 100]


def test_what_a_killed_save_has_left_is_swept_away(tmp_path):
    checkpoints.save(checkpoints.step_folder(tmp_path, 1), TENSORS, {"step": 1})
    (tmp_path / ".partial-abc").mkdir()
    (tmp_path / ".partial-abc" / checkpoints.WEIGHTS).write_bytes(b"half")
    checkpoints.sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_optimizer_state_survives_exactly():
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(layer.parameters(), 1e-3, (0.8, 0.99))
    layer(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    tensors, groups = checkpoints.flatten_optimizer("o", optimizer)
    other = torch.optim.AdamW(layer.parameters(), 0.5)
    checkpoints.restore_optimizer("o", other, {**tensors, "p.0.exp_avg": torch.ones(1)}, groups)
    before, after = optimizer.state_dict(), other.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for index, slots in before["state"].items():
        assert all(torch.equal(after["state"][index][name], value) for name, value in slots.items())


def test_prefixes_are_inverse():
    tensors = {"a.b": torch.zeros(1), "c": torch.ones(1)}
    both = checkpoints.with_prefix("x", tensors) | checkpoints.with_prefix("y", tensors)
    assert checkpoints.without_prefix("x", both) == tensors


# Weights in safetensors, and their JSON.


def safetensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}

WEIGHTS = {
    "a header longer than the file": safetensors({"a": ONE}, bytes(8), length=1 << 40),
    "a header of no length": safetensors(b"", length=0),
    "a header that is no JSON": safetensors(b"{a: 1}", bytes(8)),
    "offsets beyond the data": safetensors({"a": ONE | {"data_offsets": [0, 1 << 40], "shape": [1 << 38]}}, bytes(8)),
    "negative offsets": safetensors({"a": ONE | {"data_offsets": [-8, 0]}}, bytes(8)),
    "overlapping tensors": safetensors({"a": ONE, "b": ONE}, bytes(8)),
    "a shape that does not fit": safetensors({"a": ONE | {"shape": [1 << 40]}}, bytes(8)),
    "an unknown type": safetensors({"a": ONE | {"dtype": "object"}}, bytes(8)),
    "data cut short": safetensors({"a": ONE}, bytes(4)),
    "data beyond the tensors": safetensors({"a": ONE}, bytes(80)),
    "nothing": b"",
}


@pytest.mark.parametrize("kind", WEIGHTS)
def test_safetensors_that_lie_are_refused(canary, kind):
    (case(canary) / checkpoints.WEIGHTS).write_bytes(WEIGHTS[kind])
    (case(canary) / checkpoints.META).write_text("{}")
    with pytest.raises(CheckpointError, match="case"):
        checkpoints.load(case(canary))


def test_a_pickle_under_the_name_of_safetensors_is_not_opened(canary):
    torch.save({"a": Bomb(canary)}, case(canary) / checkpoints.WEIGHTS)
    (case(canary) / checkpoints.META).write_text("{}")
    with pytest.raises(CheckpointError, match="case"):
        Vocoder.from_pretrained(case(canary))


META = {
    "no JSON": "import os",
    "a list": "[]",
    "a number": "1",
    "nothing in it": "{}",
    "nested without end": "[" * 100_000,
    "another generator's name": json.dumps({"audio": {}, "content": {}, "generator": {"kind": "os.system"}}),
    "unknown keys": json.dumps({"audio": {"__class__": "x"}, "content": {}, "generator": {"kind": "hifigan"}}),
}


@pytest.mark.parametrize("kind", META)
def test_meta_data_that_describe_no_vocoder_are_refused(canary, kind):
    checkpoints.save(case(canary) / "v", {"a": torch.zeros(2)}, {})
    (case(canary) / "v" / checkpoints.META).write_text(META[kind])
    with pytest.raises(CheckpointError, match="v: "):
        Vocoder.from_pretrained(case(canary) / "v")


SECTIONS = {"audio": AudioConfig, "content": ContentConfig, "generator": IstftConfig}

ABSURD = {
    "channels": {"generator": {"channels": 10**9}},
    "channels that some machine could hold": {"generator": {"channels": 10_000}},
    "hidden channels": {"generator": {"expansion": 10**9}},
    "blocks": {"generator": {"blocks": 10**9}},
    "condition": {"generator": {"condition_dim": 10**9}},
    "speakers": {"speaker_dim": 10**12},
    "a negative size": {"generator": {"channels": -1}},
    "mel bands": {"audio": {"n_mels": 10**9}},
    "window": {"audio": {"n_fft": 10**12}},
    "frames a second": {"audio": {"hop_length": 0}},
}


@pytest.mark.parametrize("kind", ABSURD)
def test_meta_data_of_absurd_sizes_are_refused_before_memory_is_asked_for(canary, kind):
    meta = {key: section() for key, section in SECTIONS.items()} | {"speaker_dim": 4, "emotion_dim": 4}
    generator = generators.build_generator(*meta.values())
    meta = {key: value.model_dump() if isinstance(value, Section) else value for key, value in meta.items()}
    meta |= {"task": "resynthesis", "speaker_encoder": "ecapa", "emotion_encoder": "egemaps"}
    for key, value in ABSURD[kind].items():
        meta[key] = meta[key] | value if isinstance(value, dict) else value
    checkpoints.save(case(canary) / "v", generator.fold_weight_norm().state_dict(), meta)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="v: not a vocoder"):
        Vocoder.from_pretrained(case(canary) / "v")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "KiB"
