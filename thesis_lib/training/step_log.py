"""The numbers of one training step, which stay on the device until one transfer at its end."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from thesis_lib.training.errors import NonFinite

if TYPE_CHECKING:
    from lightning_fabric import Fabric

BY_ANOTHER = "a loss or gradient of another device is not finite"


class StepLog:
    """Values to log and values that must be finite, as tensors of one element.

    A value read on the host waits for the device, which then has nothing to do while the next operations are prepared.
    So a step asks only at its end, and an update that must not take place is left out by the optimizer on the device.
    """

    def __init__(self, fabric: "Fabric") -> None:
        self._fabric = fabric
        self._values: list[tuple[str, float, Tensor]] = []  # name, share, value
        self._checked: list[tuple[str, int | None, Tensor]] = []  # what it is, number of its batch or None, value
        self._failed: Tensor | None = None

    def add(self, values: Mapping[str, Tensor], share: float = 1.0) -> None:
        """Log values; those of one name are summed, each times its ``share``."""
        self._values += [(name, share, value.detach().reshape(1)) for name, value in values.items()]

    def check(self, what: str, value: Tensor, number: int | None = None) -> None:
        """Demand that a value is finite; it is of the batch ``number`` of the step, or of all of them."""
        self._checked.append((what, number, value.detach().reshape(1)))

    def failed(self) -> Tensor:
        """1 where a value checked so far is not finite, on any device, otherwise 0; a tensor () on the device."""
        values = torch.cat([value for *_, value in self._checked])
        failed = (~torch.isfinite(values)).any().float()
        if self._fabric.world_size > 1:
            failed = cast(Tensor, self._fabric.all_reduce(failed, reduce_op="sum")).clamp(max=1)
        self._failed = failed
        return failed

    def read(self, step: int, ids: list[list[str]]) -> dict[str, float]:
        """The logged values. NonFinite, on every device, where ``failed`` was 1.

        It names the value and the utterances of its batch, of ``ids``.
        """
        last = torch.zeros_like(self._checked[0][-1]) if self._failed is None else self._failed.reshape(1)
        tensors = [*(value for *_, value in self._values), *(value for *_, value in self._checked), last]
        *numbers, failed = torch.cat(tensors).tolist()
        if failed:
            checked = zip(self._checked, numbers[len(self._values) :], strict=True)
            wrong = [_wrong(what, found, ids if number is None else [ids[number]])
                     for (what, number, _), found in checked if not math.isfinite(found)]  # fmt: skip
            raise NonFinite(f"step {step}: {[*wrong, BY_ANOTHER][0]}")
        found: dict[str, float] = defaultdict(float)
        for (name, share, _), number in zip(self._values, numbers, strict=False):
            found[name] += share * number
        return dict(found)


def _wrong(what: str, value: float, ids: list[list[str]]) -> str:
    return f"{what} is {value}; the batch was {', '.join(id for batch in ids for id in batch)}"
