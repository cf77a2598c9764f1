"""Import librosa in one process at a time."""

import importlib
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from filelock import FileLock

# What numba compiles at import, for several types each.
COMPILED = ("librosa.util.utils", "librosa.core.audio", "librosa.core.pitch")


def lock_path() -> Path:
    """The lock of this user on this machine."""
    user = getattr(os, "getuid", lambda: "user")()
    return Path(tempfile.gettempdir()) / f"thesis_lib-librosa-{user}.lock"


def load_librosa() -> ModuleType:
    """librosa, imported when it is first used: that takes seconds.

    At its first import numba compiles functions and stores them on disk. Two processes that do so at once can store a
    function of one type under the name of another, and from then on every process that calls it ends with a
    segmentation fault. So one process imports it, and the others wait.
    """
    if not all(name in sys.modules for name in COMPILED):
        with FileLock(lock_path()):
            for name in COMPILED:
                importlib.import_module(name)
    return importlib.import_module("librosa")
