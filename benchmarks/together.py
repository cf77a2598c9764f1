"""Outputs of several systems made in one call, and the rows of the items that every system was measured on."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from thesis_lib.cloning.tts import SpeechError
from thesis_lib.utils.errors import MetricError
from thesis_lib.validation import Results, System
from thesis_lib.validation.evaluation import UNMEASURABLE

Item = TypeVar("Item")
Sound = tuple[np.ndarray, int]  # (N,), sample rate in Hz


def made_together(
    names: Sequence[str], own_words: Sequence[str], outputs_of: Callable[[Item], dict[str, Sound]]
) -> list[System[Item, Sound]]:
    """Systems with outputs that ``outputs_of`` makes in one call for an item.

    Those in ``own_words`` keep the recording's words. If the call fails, every system has its error.
    """
    last: list[tuple[Item, dict[str, Sound] | Exception]] = []

    def outputs(item: Item) -> dict[str, Sound]:
        if not last or last[0][0] is not item:
            try:
                last[:] = [(item, outputs_of(item))]
            except (*UNMEASURABLE, SpeechError) as error:
                last[:] = [(item, MetricError(str(error)))]
        found = last[0][1]
        if isinstance(found, Exception):
            raise found
        return found

    return [
        System(name, lambda item, name=name: outputs(item)[name], name in own_words, {"system": name}) for name in names
    ]


def complete_rows(results: Results, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the items that every system was measured on; the columns ``keys`` identify an item."""
    left_out = {tuple(row[key] for key in keys) for row in results.missing}
    return [row for row in results.rows if tuple(row[key] for key in keys) not in left_out]
