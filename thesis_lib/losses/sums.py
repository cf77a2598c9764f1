"""The sum of several losses."""

import functools
from collections.abc import Iterable

import torch
from torch import Tensor


def total(terms: Iterable[Tensor]) -> Tensor:
    """Add the terms up."""
    return functools.reduce(torch.add, terms)
