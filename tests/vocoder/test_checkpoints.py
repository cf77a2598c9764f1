import pytest
import torch

from thesis_lib.vocoder import checkpoints
from thesis_lib.vocoder.checkpoints import CheckpointError

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
