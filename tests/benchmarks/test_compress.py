"""The paired differences of the compression benchmark."""

import numpy as np
import pytest

from benchmarks.compress import _differences
from benchmarks.compress_training import STUDENT, V1, V2, WITHOUT_TEACHER


def test_every_variant_is_compared_with_v1_and_v2_and_the_student_with_the_one_without_a_teacher():
    scale = {V1: 1.0, V2: 2.0, WITHOUT_TEACHER: 1.5, STUDENT: 1.2}
    base = np.linspace(0.2, 0.3, 8)
    rows = _differences({name: {"mel_l1": base * factor, "stft": base * factor} for name, factor in scale.items()})
    found = {(row["variant"], row["rival"]): row for row in rows if row["metric"] == "mel_l1"}
    expected = {(name, rival) for name in scale for rival in (V1, V2) if name != rival} | {(STUDENT, WITHOUT_TEACHER)}
    assert set(found) == expected
    for (name, rival), row in found.items():
        assert [row["more"], row["low"], row["high"]] == pytest.approx([scale[name] / scale[rival] - 1] * 3), "paired"
