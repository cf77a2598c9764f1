"""Sum of losses."""

import functools
from collections.abc import Iterable

import torch
from torch import Tensor


def total(terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of the terms; TypeError when there are none."""
    return functools.reduce(torch.add, terms)
