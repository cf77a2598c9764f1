"""Devices, precision and processes of a training, through lightning-fabric."""

from typing import TYPE_CHECKING, Literal, cast

from thesis_lib.config import TrainingConfig
from thesis_lib.training.errors import TrainingError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Mixed = Literal["16-mixed", "bf16-mixed"]
ACCELERATORS = ("auto", "cpu", "cuda")  # auto: cuda where there is a GPU


def fabric_of(training: TrainingConfig, devices: int = 1, nodes: int = 1, accelerator: str = "auto") -> "Fabric":
    """A fabric for ``devices`` devices on each of ``nodes`` machines; ``accelerator`` is one of ``ACCELERATORS``.

    On a CPU a device is a process. Raises TrainingError for an unknown or absent accelerator, and where precision,
    batch size or ``cuda_graph`` do not fit the devices.
    """
    import torch
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.precision.amp import MixedPrecision
    from lightning_fabric.strategies import DDPStrategy

    class Autocast(MixedPrecision):
        """Mixed precision that leaves the inputs in float32: bfloat16 would round the content's F0 by some cents."""

        def convert_input(self, data):
            return data

    accelerator = "cuda" if accelerator == "gpu" else accelerator  # lightning's name for it
    if accelerator not in ACCELERATORS:
        raise TrainingError(f"no accelerator named {accelerator!r}; known: {', '.join(ACCELERATORS)}")
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise TrainingError("torch finds no GPU: choose the accelerator cpu, or install a torch with CUDA")
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if training.batch_size % (devices * nodes):
        raise TrainingError(
            f"training.batch_size is that of all devices together: {training.batch_size} cannot be shared by "
            f"{devices * nodes}; set it to a multiple of that"
        )
    check_cuda_graph(training, accelerator, devices * nodes)
    mixed = training.precision != "32-true"
    if training.precision == "16-mixed" and accelerator == "cpu":
        raise TrainingError("training.precision = 16-mixed needs a GPU; on a CPU take bf16-mixed or 32-true")
    strategy: str | DDPStrategy = "auto"
    if devices * nodes > 1:
        # A step need not use every parameter: the neutral condition, for one, is used only with condition dropout.
        backend = "gloo" if accelerator == "cpu" else "nccl"
        strategy = DDPStrategy(find_unused_parameters=True, process_group_backend=backend)
    return Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        strategy=strategy,
        plugins=[Autocast(cast(Mixed, training.precision), accelerator)] if mixed else None,
    )


def check_cuda_graph(training: TrainingConfig, device: str, count: int) -> None:
    """TrainingError where ``training.cuda_graph`` is set for another training than one on a single GPU.

    ``device`` is the type of the devices, "cuda" or "cpu", and ``count`` their number.
    """
    if training.cuda_graph and (device != "cuda" or count > 1):
        raise TrainingError(
            f"training.cuda_graph needs one GPU, this training is on {count} x {device}: set it to false, or train on "
            "one GPU"
        )


def device_name(fabric: "Fabric") -> str:
    """The device that the minutes of training refer to: "cpu", or the number and name of the GPUs."""
    import torch

    if fabric.device.type != "cuda":
        return fabric.device.type
    return f"{fabric.world_size} x {torch.cuda.get_device_name(fabric.device)}"
