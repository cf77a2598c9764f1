"""Number of threads of the numeric libraries in this process or thread; torch is not imported for it."""

import os
import sys


def limit_threads(count: int) -> None:
    """Use ``count`` threads in what is loaded from now on, and in torch where it is loaded already."""
    os.environ["OMP_NUM_THREADS"] = str(count)
    set_torch_threads(count)


def set_torch_threads(count: int) -> None:
    """Set torch's threads where torch is loaded; a setting of one thread holds for that thread."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


def torch_threads() -> int:
    """torch's number of threads; 1 where torch is not loaded."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else 1
