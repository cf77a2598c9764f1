"""The tensors of a checkpoint that somebody else's training wrote, and nothing else of it."""

import sys
from pathlib import Path

import torch

from thesis_lib.embeddings.encoders.base import EncoderError

# What a training may have left in its checkpoint of Python's own library; even that is not run.
PLAIN_MODULES = {"argparse", "collections", "enum", "operator", "typing"}
PLAIN_TYPES = {f"builtins.{kind.__name__}" for kind in (bool, bytes, dict, float, int, list, object, set, str, tuple)}


class _Inert:
    """Stands where the pickle names a class or a function: takes everything and does nothing."""

    def __new__(cls, *_: object, **__: object) -> "_Inert":
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass


def tensors(path: Path) -> dict:
    """The checkpoint's content, by torch's restricted unpickler, with nothing in it imported or run.

    fairseq's checkpoints hold its settings, meters and optimizer beside the tensors, which alone the unpickler would
    refuse. EncoderError where a checkpoint names what no training leaves, ``os.system`` for one.
    """
    names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    for name in names:
        module = name.split(".")[0]
        if module in sys.stdlib_module_names and module not in PLAIN_MODULES and name not in PLAIN_TYPES:
            raise EncoderError(f"{path}: it asks for {name}, which no weights need: not loaded")
    with torch.serialization.safe_globals([(_Inert, name) for name in names]):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
