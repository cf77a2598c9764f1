"""torch's checkpoints are read without torch, and only tensors are."""

import pickle
import zipfile

import numpy as np
import pytest
import torch

from thesis_lib.pretrained import ModelError
from thesis_lib.pretrained.torch_file import read_checkpoint


@pytest.mark.parametrize("zipped", [True, False])
def test_it_reads_what_torch_saved(tmp_path, zipped):
    whole = torch.arange(24.0).reshape(4, 6)
    state = {
        "step": 7,
        "part": whole[1:, ::2],
        "turned": whole.T,
        "same": whole,
        "half": torch.ones(3).half(),
        "count": torch.tensor(5),
        "none": torch.zeros(0, 2),
        "weight": torch.nn.Parameter(torch.ones(2)),
    }
    path = tmp_path / "state.pt"
    torch.save({"model": state}, path, _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(path)["model"]
    assert found.pop("step") == state.pop("step")
    assert found.keys() == state.keys()
    for name, tensor in state.items():
        assert found[name].dtype == tensor.detach().numpy().dtype
        assert np.array_equal(found[name], tensor.detach().numpy()), name


class Hostile:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize("zipped", [True, False])
def test_it_runs_nothing(tmp_path, zipped, capsys):
    path = tmp_path / "hostile.pt"
    torch.save({"weight": torch.ones(2), "more": Hostile()}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError, match=r"hostile\.pt: .*print, which no weights need"):
        read_checkpoint(path)
    assert not capsys.readouterr().out


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    path = tmp_path / "large.pt"
    torch.save({"weight": torch.ones(4)}, path)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    index = next(name for name in files if name.endswith("data.pkl"))
    files[index] = files[index].replace(b"K\x04\x85", b"K\x40\x85")  # the shape (4,) becomes (64,)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(ModelError, match="outside of its storage"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", pickle.dumps(5)])
def test_another_file_is_named(tmp_path, content):
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"other\.pt: not a checkpoint"):
        read_checkpoint(path)
