"""Devices, precision and processes, through lightning-fabric."""

from typing import TYPE_CHECKING, Literal, cast

from thesis_lib.config import TrainingConfig
from thesis_lib.training.errors import TrainingError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Mixed = Literal["16-mixed", "bf16-mixed"]


def fabric_of(training: TrainingConfig, devices: int = 1, nodes: int = 1, accelerator: str = "auto") -> "Fabric":
    """A fabric for this many devices on this many machines; ``accelerator`` is "auto", "cpu" or "cuda".

    On CPU a device is a process. Raises TrainingError where precision, batch and devices do not go together.
    """
    import torch
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.precision.amp import MixedPrecision
    from lightning_fabric.strategies import DDPStrategy

    class Autocast(MixedPrecision):
        """Mixed precision that leaves the inputs alone: bfloat16 would round the content's F0 by some cents."""

        def convert_input(self, data):
            return data

    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if training.batch_size % (devices * nodes):
        raise TrainingError(
            f"training.batch_size is that of all devices together: {training.batch_size} cannot be shared by "
            f"{devices * nodes}; set it to a multiple"
        )
    mixed = training.precision != "32-true"
    if training.precision == "16-mixed" and accelerator == "cpu":
        raise TrainingError("training.precision = 16-mixed needs a GPU; on a CPU take bf16-mixed or 32-true")
    strategy: str | DDPStrategy = "auto"
    if devices * nodes > 1:
        # A recipe may leave the neutral condition, or everything but the condition, out of a step.
        backend = "gloo" if accelerator == "cpu" else "nccl"
        strategy = DDPStrategy(find_unused_parameters=True, process_group_backend=backend)
    return Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        strategy=strategy,
        plugins=[Autocast(cast(Mixed, training.precision), accelerator)] if mixed else None,
    )


def device_name(fabric: "Fabric") -> str:
    """What minutes of training are minutes of: "cpu", or how many of which GPU."""
    import torch

    if fabric.device.type != "cuda":
        return fabric.device.type
    return f"{fabric.world_size} x {torch.cuda.get_device_name(fabric.device)}"
