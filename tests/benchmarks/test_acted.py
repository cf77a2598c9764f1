"""The evaluation on acted recordings, with systems of which the outputs are made together."""

import numpy as np
import pytest

from benchmarks.acted import Acted, evaluated
from benchmarks.together import made_together
from thesis_lib.utils.errors import MetricError


def item(number: int) -> Acted:
    return Acted(number, "ana", "joy", f"{number}.wav", f"text {number}", lambda: (np.full(4, number), 16_000))


def test_every_system_is_measured_against_the_source_and_its_own_text():
    calls, given = [], []

    def outputs_of(one):
        calls.append(one.number)
        return {"source": one.read(), "ours": (np.full(4, -1), 22_050)}

    def measure(wav, rate, source, source_rate, text):
        given.append((int(wav[0]), rate, int(source[0]), source_rate, text))
        return {"value": int(wav[0])}

    table, missing = evaluated([item(1), item(2)], made_together(("source", "ours"), ("source",), outputs_of), measure)
    assert calls == [1, 2], "once an item"
    assert given == [
        (number, 16_000, number, 16_000, None) if name == "source" else (-1, 22_050, number, 16_000, f"text {number}")
        for number in (1, 2)
        for name in ("source", "ours")
    ]
    assert list(table.system) == ["source", "ours"] * 2
    assert list(table.number) == [1, 1, 2, 2]
    assert list(table.recording) == ["1.wav"] * 2 + ["2.wav"] * 2
    assert missing == []


def test_a_recording_that_one_system_cannot_be_measured_on_is_left_out_with_its_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("THESIS_EMOTIONS", str(tmp_path))
    calls = []

    def outputs_of(one):
        calls.append(one.number)
        if one.number == 1:
            raise MetricError(f"{tmp_path}/ana/1.wav: no speech")
        return {"source": one.read(), "ours": one.read()}

    def measure(wav, rate, source, source_rate, text):
        if wav[0] == 2 and text:
            raise MetricError("nothing voiced")
        return {}

    table, missing = evaluated(
        [item(number) for number in (1, 2, 3)], made_together(("source", "ours"), ("source",), outputs_of), measure
    )
    assert calls == [1, 2, 3], "once an item, also where it fails"
    assert list(table.number) == [3, 3]
    assert [(row["number"], row["system"], row["reason"]) for row in missing] == [
        (1, "source", "ana/1.wav: no speech"),
        (1, "ours", "ana/1.wav: no speech"),
        (2, "ours", "nothing voiced"),
    ]
    with pytest.raises(KeyError):
        evaluated([item(3)], made_together(("theirs",), (), outputs_of), measure)
