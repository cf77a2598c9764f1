"""Read torch's checkpoints in NumPy: torch is not imported, and nothing in the file is run.

Two layouts exist: a zip archive with a pickle of the structure and one file a storage, and, before torch 1.6, four
pickles and the storages one after the other. The unpickler accepts tensors and plain containers only.
"""

import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from thesis_lib.pretrained.registry import ModelError

MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of the older layout
STORAGES = {
    "BoolStorage": "?",
    "ByteStorage": "u1",
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "IntStorage": "<i4",
    "LongStorage": "<i8",
}
Load = Callable[[str, str, int], np.ndarray]  # storage's type, key and number of elements -> (elements,)


def read_checkpoint(path: Path) -> Any:
    """Read what ``torch.save`` wrote: dictionaries, lists and numbers as they are, tensors as arrays.

    Raises ModelError for a file in another format, and for one that names anything but tensors.
    """
    try:
        if zipfile.is_zipfile(path):
            return _from_archive(path)
        with open(path, "rb") as stream:
            return _from_stream(stream)
    except (pickle.UnpicklingError, KeyError, ValueError, TypeError, EOFError, struct.error, IndexError) as error:
        raise ModelError(f"{path}: not a checkpoint of tensors ({error}): fetch it again") from error


class _Unpickler(pickle.Unpickler):
    """Rebuilds tensors from storages that ``load`` gives; every other class and function is refused."""

    def __init__(self, stream: IO[bytes], load: Load) -> None:
        super().__init__(stream)
        self._load = load

    def find_class(self, module: str, name: str) -> Any:
        """The few names of a checkpoint of tensors. UnpicklingError for any other."""
        if module == "torch" and name in STORAGES:
            return name
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch._utils", "_rebuild_parameter"): _parameter,
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no weights need")
        return known[module, name]

    def persistent_load(self, pid: Any) -> np.ndarray:
        """A storage: ("storage", type, key, device, number of elements, …) -> (elements,)."""
        _, kind, key, _, count = pid[:5]
        return self._load(kind, key, count)


def _tensor(storage: np.ndarray, offset: int, shape: Sequence[int], strides: Sequence[int], *_: object) -> np.ndarray:
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if min(offset, *shape, *strides, 0) < 0 or (0 not in shape and last >= len(storage)):
        raise pickle.UnpicklingError("a tensor lies outside of its storage")
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps, writeable=False)


def _parameter(data: np.ndarray, *_: object) -> np.ndarray:
    return data


def _from_archive(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        (index,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))

        def load(kind: str, key: str, count: int) -> np.ndarray:
            data = archive.read(f"{index.removesuffix('.pkl')}/{key}")
            return np.frombuffer(data, STORAGES[kind], count)

        with archive.open(index) as stream:
            return _Unpickler(stream, load).load()


def _from_stream(stream: IO[bytes]) -> Any:
    storages: dict[str, np.ndarray] = {}

    def load(kind: str, key: str, count: int) -> np.ndarray:
        # The bytes follow after the structure: the array is filled below.
        return storages.setdefault(key, np.empty(count, STORAGES[kind]))

    def pickled() -> Any:
        return _Unpickler(stream, load).load()

    if pickled() != MAGIC:
        raise pickle.UnpicklingError("it does not begin as torch's files do")
    pickled(), pickled()  # version of the layout, and of the machine that wrote it
    found = pickled()
    for key in pickled():
        (count,) = struct.unpack("<q", stream.read(8))
        if count != len(storages[key]):
            raise pickle.UnpicklingError(f"storage {key} has {count} elements, not {len(storages[key])}")
        storages[key][:] = np.frombuffer(stream.read(count * storages[key].itemsize), storages[key].dtype)
    return found
