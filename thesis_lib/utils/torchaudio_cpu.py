"""Make torchaudio importable with a CPU-only torch.

The registry's torchaudio wheel links CUDA libraries. Where they are missing, its compiled extension does
not load and ``import torchaudio`` fails, although the pure-Python parts that speechbrain and funasr use
(transforms, resample, kaldi.fbank) work. A finder answers for ``torchaudio._extension`` alone, and only
when the real extension does not load.
"""

import ctypes
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from pathlib import Path

NAME = "torchaudio._extension"


def _loads(folder: Path) -> bool:
    import torch  # noqa: F401  (the extension's own dependencies must be in the process first)

    try:
        for library in sorted((folder / "lib").glob("*.so")):
            ctypes.CDLL(str(library))
    except OSError:
        return False
    return True


class _Stub(importlib.abc.Loader):
    def create_module(self, spec):
        return None

    def exec_module(self, module) -> None:
        def fail_if_no_align(function):
            return function

        module.fail_if_no_align = fail_if_no_align
        module._IS_TORCHAUDIO_EXT_AVAILABLE = False
        module._IS_ALIGN_AVAILABLE = False
        module._IS_RNNT_AVAILABLE = False
        module.__path__ = []


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname != NAME:
            return None
        real = importlib.machinery.PathFinder.find_spec(fullname, path)
        if real is None or real.origin is None or _loads(Path(real.origin).parent.parent):
            return None
        return importlib.util.spec_from_loader(fullname, _Stub())


def install_finder() -> None:
    """Put the finder first in ``sys.meta_path``; do nothing when it is there."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
