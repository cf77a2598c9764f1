"""Devices of vocoders: their names, and whether this machine has them."""

from typing import TYPE_CHECKING

from thesis_lib.utils.errors import ThesisError

if TYPE_CHECKING:
    import torch


class DeviceError(ThesisError):
    """A device that is unknown or that this machine does not have."""


def available_device(device: "str | torch.device") -> "torch.device":
    """Parse a device's name. DeviceError where it is unknown or this machine does not have it."""
    import torch

    try:
        found = torch.device(device)
    except RuntimeError:
        found = None
    if found is None or found.type not in ("cpu", "cuda"):
        raise DeviceError(f"device {str(device)!r} is unknown: cpu, cuda or cuda:NUMBER is expected")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise DeviceError(f"device {device}: this machine has {torch.cuda.device_count()} CUDA GPUs; use cpu")
    return found
