"""Checkpoints: safetensors and JSON, written atomically.

No pickle: a checkpoint is tensors by name and a JSON file that describes them. torch is imported by what needs it.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from thesis_lib.utils.errors import ThesisError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

WEIGHTS, META = "model.safetensors", "config.json"


class CheckpointError(ThesisError):
    """A checkpoint that is missing, damaged or not for this model."""


def save(folder: Path, tensors: "dict[str, Tensor]", meta: dict[str, Any], texts: dict[str, str] | None = None) -> None:
    """Write the tensors, the metadata and ``texts`` (file name -> content) to ``folder``, atomically.

    Raises CheckpointError when the disk is full or not writable; an earlier checkpoint stays as it was.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".partial-"))
    except OSError as error:
        raise CheckpointError(
            f"{folder}: cannot write: {error.strerror}; free some space or choose another folder"
        ) from error
    try:
        save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, partial / WEIGHTS)
        os.chmod(partial / WEIGHTS, 0o644)  # safetensors makes it readable by its owner only
        for name, text in ({META: json.dumps(meta, indent=2) + "\n"} | (texts or {})).items():
            (partial / name).write_text(text, encoding="utf-8")
        os.chmod(partial, 0o755)
        if folder.exists():
            # A folder cannot be replaced in one step: the old one is renamed first, to a name that load ignores.
            old = partial.with_name(partial.name + "-old")
            os.rename(folder, old)
            os.rename(partial, folder)
            shutil.rmtree(old)
        else:
            os.rename(partial, folder)
    except (OSError, SafetensorError) as error:  # safetensors raises its own error for a full disk
        raise CheckpointError(f"{folder}: cannot write: {error}; free some space or choose another folder") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def load(folder: Path) -> "tuple[dict[str, Tensor], dict[str, Any]]":
    """Read what ``save`` wrote: (tensors by name, metadata). CheckpointError when missing or damaged."""
    from safetensors.torch import load_file

    return _load(folder, load_file)


def load_arrays(folder: Path) -> "tuple[dict[str, np.ndarray], dict[str, Any]]":
    """Read as ``load`` does, without torch: (arrays by name, metadata). CheckpointError when missing or damaged."""
    from safetensors.numpy import load_file

    return _load(folder, load_file)


def _load(folder: Path, load_file: Callable[[Path], dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    weights, meta = files_of(folder)
    try:
        return load_file(weights), json.loads(meta.read_text())
    except Exception as error:  # safetensors raises its own type for each kind of damage
        raise CheckpointError(f"{folder}: damaged ({error}); remove it to continue from an earlier one") from error


def files_of(folder: Path) -> tuple[Path, Path]:
    """The files of the tensors and of the metadata in a checkpoint's folder. CheckpointError when one is missing."""
    weights, meta = paths = Path(folder) / WEIGHTS, Path(folder) / META
    for path in paths:
        if not path.is_file():
            raise CheckpointError(f"{path} is missing: not a checkpoint of this project; check the path")
    return weights, meta


def step_folder(folder: Path, step: int) -> Path:
    """Path of the checkpoint of a step: FOLDER/step-00000040."""
    return Path(folder) / f"step-{step:08d}"


def latest(folder: Path) -> Path | None:
    """The checkpoint with the highest step, or None."""
    return max(Path(folder).glob("step-*"), default=None)


def best(folder: Path, by: str) -> Path | None:
    """The checkpoint with the lowest value of ``by`` in its metadata, or None when none has it."""
    values = ((json.loads((path / META).read_text()).get(by), path) for path in Path(folder).glob("step-*"))
    return min((found for found in values if found[0] is not None), default=(None, None))[1]


def remove_old(folder: Path, count: int, by: str) -> None:
    """Remove all checkpoints except the newest ``count`` and the ``best`` one."""
    kept = best(folder, by)
    for old in sorted(Path(folder).glob("step-*"))[:-count]:
        if old != kept:
            # Renamed first: a process killed during the removal leaves nothing that looks like a checkpoint.
            os.rename(old, aside := old.with_name(f".partial-{old.name}"))
            shutil.rmtree(aside)


def sweep(folder: Path) -> None:
    """Remove the partial folders of an interrupted ``save`` or ``remove_old``."""
    for left in Path(folder).glob(".partial-*"):
        shutil.rmtree(left)


def flatten_optimizer(name: str, optimizer: "torch.optim.Optimizer") -> "tuple[dict[str, Tensor], list[dict]]":
    """Optimizer -> (state tensors by name, parameter groups as JSON types)."""
    state = optimizer.state_dict()
    tensors = {f"{name}.{i}.{key}": value for i, slots in state["state"].items() for key, value in slots.items()}
    # Not what only a CUDA graph needs: a training that used one may continue on a CPU.
    groups = [group | {"lr": float(group["lr"]), "capturable": False} for group in state["param_groups"]]
    return tensors, groups


def restore_optimizer(
    name: str, optimizer: "torch.optim.Optimizer", tensors: "dict[str, Tensor]", groups: list[dict]
) -> None:
    """Load into ``optimizer`` what ``flatten_optimizer`` returned."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in tensors.items():
        owner, _, rest = key.partition(".")
        if owner == name:
            index, _, slot = rest.partition(".")
            state.setdefault(int(index), {})[slot] = value
    groups = [group | {"betas": tuple(group["betas"])} for group in groups]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def with_prefix(prefix: str, tensors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """Add a prefix to all names: {"a": t} -> {"prefix.a": t}."""
    return {f"{prefix}.{key}": value for key, value in tensors.items()}


def without_prefix(prefix: str, tensors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """Select the names with a prefix and remove it: the inverse of ``with_prefix``."""
    return {key[len(prefix) + 1 :]: value for key, value in tensors.items() if key.startswith(prefix + ".")}
