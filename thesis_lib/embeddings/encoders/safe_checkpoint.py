"""The safe checkpoint reader: it loads the tensors of a foreign checkpoint and runs none of its code."""

import sys
from pathlib import Path

import torch

from thesis_lib.embeddings.encoders.base import EncoderError

# Standard-library modules and types that training code leaves in checkpoints; they are not run either.
PLAIN_MODULES = {"argparse", "collections", "enum", "operator", "typing"}
PLAIN_TYPES = {f"builtins.{kind.__name__}" for kind in (bool, bytes, dict, float, int, list, object, set, str, tuple)}


class _Placeholder:
    """Replaces every class and function that the pickle names: accepts any arguments and does nothing."""

    def __new__(cls, *_: object, **__: object) -> "_Placeholder":
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass


def tensors(path: Path) -> dict:
    """Load a checkpoint with torch's restricted unpickler; nothing in it is imported or run.

    fairseq's checkpoints also hold settings, meters and the optimizer, which the unpickler alone would refuse.
    EncoderError for a checkpoint that names anything that training code does not leave, such as ``os.system``.
    """
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    for name in names:
        module = name.split(".")[0]
        if module in sys.stdlib_module_names and module not in PLAIN_MODULES and name not in PLAIN_TYPES:
            raise EncoderError(f"{path}: it refers to {name}, which no weights need: not loaded, fetch it again")
    with torch.serialization.safe_globals([(_Placeholder, name) for name in names]):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
