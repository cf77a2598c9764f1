"""Compression of the released vocoders."""

from collections.abc import Callable

import numpy as np
import pytest
from loud_vocoder import loud_vocoder
from planted_voices import tone

from benchmarks import compress_released
from benchmarks.compress_released import (
    Conversion,
    Released,
    measure_variants,
    reference_of,
    refusals,
    speed_rows,
)
from benchmarks.quality import CONVERSION, differences_of_systems, summarise_systems
from thesis_lib.compression import export_onnx
from thesis_lib.compression.variants import ModelVariant
from thesis_lib.config import IstftConfig
from thesis_lib.validation import metrics
from thesis_lib.validation.swap import SwapSpeaker
from thesis_lib.vocoder.synthesis import SMALL
from thesis_lib.vocoder.voice import Voice

FIRST, SECOND = "default, torch float32", "default, ONNX"
ISTFT = IstftConfig(channels=16, blocks=1)


class FakeScores:
    """Scores without a network: the output's first sample, and one word in ten wrong for each whole unit of it."""

    natural: dict = {}

    def __init__(self, *given):
        pass

    def of_output(self, item, wav):
        if not np.isfinite(wav).all():
            raise metrics.MetricError("a signal is not finite")
        return {"score": float(wav[0]), "wer": (int(wav[0]), 10)}

    def compared(self, item, wav):
        return self.of_output(item, wav) | {"mel_l1": float(abs(wav[0] - item.reference[0]))}


def speaker(number: int) -> SwapSpeaker:
    return SwapSpeaker(f"s{number}", "content", f"{number}", tone(number), Voice(), [tone(number, 2)])


def conversions(targets: int = 3, contents: int = 2) -> list[Conversion]:
    """Outputs in float32 are constant, 10 for each target and 1 for each content."""
    return [
        Conversion(speaker(t), speaker(10 + c), {"level": np.array(10.0 * t + c)}, np.full(4, 10.0 * t + c))
        for t in range(targets)
        for c in range(contents)
    ]


def released(call: Callable[[dict], np.ndarray]) -> dict[str, Released]:
    """The variant in float32, and one that is ``call``."""
    calls = {FIRST: lambda inputs: np.full(4, inputs["level"]), SECOND: call}
    inputs = {"content": np.zeros((1, 80, 86), np.float32), "level": np.array(0.0)}
    vocoder = loud_vocoder(ISTFT)
    return {
        name: Released(vocoder, ModelVariant(name.partition(", ")[2], 4.0, call), inputs)
        for name, call in calls.items()
    }


def shifted(inputs: dict) -> np.ndarray:
    return np.full(4, inputs["level"] + 2)


def test_every_variant_renders_every_conversion_and_is_compared_with_float32():
    results = measure_variants(released(shifted), conversions(), FakeScores())
    assert results.missing == []
    assert [row["system"] for row in results.rows] == [FIRST, SECOND] * 6
    assert {"mel_l1" in row for row in results.rows[::2]} == {False}, "the reference is not compared with itself"
    assert {row["mel_l1"] for row in results.rows[1::2]} == {2.0}
    rows, _ = summarise_systems(results, CONVERSION)
    found = {(row["system"], row["metric"]): row for row in rows}
    assert found[FIRST, "score"]["value"] == pytest.approx(10.5)
    assert found[FIRST, "score"]["low"] < 10 < 11 < found[FIRST, "score"]["high"], "targets differ by ten"
    assert found[SECOND, "wer"]["value"] == pytest.approx(1.25), "errors of all words"
    assert {row["n"] for row in rows} == {6}


def test_a_difference_is_paired_by_target_and_content():
    rows = [
        row | {"is_target": np.True_} for row in measure_variants(released(shifted), conversions(), FakeScores()).rows
    ]
    found = {row["metric"]: row for row in differences_of_systems(rows[::-1], CONVERSION, [(SECOND, FIRST)])}
    assert set(found) == {"score", "wer", "is_target"}, "a row for each metric that both have"
    assert {(row["system"], row["against"]) for row in found.values()} == {(SECOND, FIRST)}
    share = found["is_target"]
    assert share["difference"] == 0
    assert share["low"] < -0.5 < 0.5 < share["high"], "one share in all conversions says little of others"
    for metric, added in (("score", 2.0), ("wer", 0.2)):
        row = found[metric]
        assert [row[key] for key in ("difference", "low", "high")] == pytest.approx([added] * 3)
        assert row["n"] == 6


def test_the_interval_of_a_difference_is_over_targets_and_contents():
    items, names = conversions(), (FIRST, SECOND)
    rows = [item.about | {"system": name, "score": 0.0} for item in items for name in names]
    for row in rows:
        if row["system"] == SECOND:
            row["score"] = float(row["target_speaker"] == "s1")  # one target alone differs
    (found,) = differences_of_systems(rows, CONVERSION, [(SECOND, FIRST)])
    assert found["difference"] == pytest.approx(1 / 3)
    assert found["low"] < 0 < found["difference"] < found["high"]


def test_a_conversion_that_one_variant_cannot_render_is_in_no_row():
    def broken(inputs: dict) -> np.ndarray:
        return np.full(4, np.nan if inputs["level"] == 11 else inputs["level"])

    results = measure_variants(released(broken), conversions(), FakeScores())
    assert [(row["system"], row["target_speaker"], row["content"]) for row in results.missing] == [
        (SECOND, "s1", "s11")
    ]
    rows, missing = summarise_systems(results, CONVERSION)
    assert {row["n"] for row in rows} == {5}
    assert missing[0]["reason"] == "a signal is not finite"


def test_a_variant_is_compared_with_float32_of_the_same_weights():
    assert reference_of("small, ONNX int8, but the last stage") == "small, torch float32"
    assert reference_of(FIRST) == FIRST


def test_speed_is_seconds_of_speech_for_a_second_with_the_range_of_the_rounds():
    rows = speed_rows(released(shifted), 3)
    assert [row["system"] for row in rows] == [FIRST, SECOND]
    for row in rows:
        speed, relative = row["x real time, 1 thread"], row["speed / torch float32"]
        assert 1 < speed["low"] <= speed["median"] <= speed["high"]
        assert relative["low"] <= relative["median"] <= relative["high"]
        assert (row["parameters"], row["megabytes"]) == (loud_vocoder(ISTFT).parameters(), 4.0)
    assert rows[0]["speed / torch float32"] == {"median": 1, "low": 1, "high": 1}
    (own,) = {own.seconds for own in released(shifted).values()}
    assert own == pytest.approx(86 * 256 / 22_050)


def test_what_openvino_cannot_run_has_the_reason(tmp_path):
    export_onnx(loud_vocoder(ISTFT), tmp_path / "float32.onnx")
    rows = list(refusals("default", tmp_path / "float32.onnx"))
    assert [row["system"] for row in rows] == ["default, OpenVINO float32", "default, OpenVINO bfloat16"]
    assert {row["reason"] for row in rows} == {"OpenVINO can run HiFi-GAN only: use --runtime onnxruntime"}


@pytest.mark.slow
@pytest.mark.weights("ecapa", "whisper-tiny.en")
def test_a_quick_run_crosses_other_voices_with_the_contents(monkeypatch):
    monkeypatch.setattr(compress_released, "WEIGHTS", (SMALL,))
    monkeypatch.setattr(compress_released, "Scores", FakeScores)
    found = compress_released.run(True)
    assert (found["targets"], found["contents"], found["conversions"]) == (2, 2, 4)
    names = [row["system"] for row in found["variants"]]
    assert len(names) == 5
    assert {name.partition(", ")[0] for name in names} == {"small"}
    assert {row["system"] for row in found["differences"]} == set(names[1:])
    assert {row["system"] for row in found["not measured"]} == {"small, OpenVINO float32", "small, OpenVINO bfloat16"}
    sizes = {row["system"].partition(", ")[2]: row["megabytes"] for row in found["variants"]}
    assert sizes["ONNX int8, but the last stage"] < 0.5 * sizes["ONNX float32"]


def test_a_pair_with_a_system_without_rows_has_no_difference():
    rows = [item.about | {"system": FIRST, "score": 0.0} for item in conversions()]
    assert differences_of_systems(rows, CONVERSION, [(SECOND, FIRST)]) == []
    assert differences_of_systems([], CONVERSION, [(SECOND, FIRST)]) == []
