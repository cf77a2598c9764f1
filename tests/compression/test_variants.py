"""The table of the variants of a vocoder: size, speed, and the distance of the outputs."""

import numpy as np
import onnx
import pytest
import torch
from helpers import trained_beside
from loud_vocoder import loud_vocoder, random_inputs

from thesis_lib.compression import build_variants, compress, float16_copy, inputs_of, torch_caller, variants
from thesis_lib.compression.variants import ModelVariant
from thesis_lib.config import IstftConfig, ValidationConfig
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.validation.evaluation import Results


def test_float16_storage_changes_the_weights_and_hardly_the_sound(tiny_run):
    vocoder = train(tiny_run, "resynthesis")
    copy = float16_copy(vocoder)
    mel = torch.randn(1, 80, 20)
    assert not torch.equal(copy.generator.pre.weight, vocoder.generator.pre.weight)
    assert torch.equal(copy.generator.pre.weight.half().float(), copy.generator.pre.weight)
    assert (copy(mel) - vocoder(mel)).abs().max() < 0.05


def test_the_table_has_every_variant(tiny_run):
    table = compress(tiny_run)
    assert list(table.variant) == [
        "torch float32",
        "float16 weights, computed in float32",
        "ONNX float32",
        "ONNX int8, all layers",
        "ONNX int8, but the last stage",
        "OpenVINO int8 weights",
    ]
    assert table.speed_ratio.iloc[0] == 1
    assert (table.speed_ratio_low <= table.speed_ratio).all()
    assert np.allclose(table.megabytes.iloc[1] * 2, table.megabytes.iloc[0])
    assert table.mel_l1.gt(0).all()
    assert (table.mel_l1_low < table.mel_l1).all()
    assert (table.mel_l1 < table.mel_l1_high).all()
    assert set(table.n) == {2}
    assert (table.reason == "").all()
    outputs = tiny_run.load_table("compression")
    assert outputs.groupby("variant").mel_l1.mean()[table.variant].to_numpy() == pytest.approx(table.mel_l1)
    saved = compress(tiny_run)
    assert saved.drop(columns="reason").equals(table.drop(columns="reason")), "from the saved table"
    assert (saved.reason == "").all()
    tiny_run.table_path("compression_summary").unlink()  # a table of an earlier version has none beside it
    assert "mel_l1_low" in compress(tiny_run)
    assert not list((tiny_run.path / "compressed").glob(".partial*"))


def test_a_variant_without_a_measured_output_keeps_its_speed_and_has_the_reason(tiny_run, tmp_path, monkeypatch):
    run = trained_beside(tiny_run, tmp_path / "run")

    lengths = []

    def build(vocoder, folder, calibration):
        call = torch_caller(vocoder)

        def counted(inputs):
            lengths.append(inputs["content"].shape[2])
            return call(inputs)

        return [
            ModelVariant("torch float32", 4.0, counted),
            ModelVariant("broken", 1.0, lambda inputs: call(inputs) * np.nan),
        ]

    monkeypatch.setattr(variants, "build_variants", build)
    table = compress(run).set_index("variant")
    # Two whole recordings are rendered for the quality; two seconds for each timing, for the round that is not timed,
    # and for the length of the output.
    assert min(lengths[:2]) > lengths[2] == 172
    assert lengths[2:] == [lengths[2]] * (run.config.compression.repeats + 2)
    assert np.isnan(table.loc["broken", ["mel_l1", "mel_l1_low", "mel_l1_high"]].astype(float)).all()
    assert table.n.to_dict() == {"torch float32": 2, "broken": 0}
    assert table.reason["broken"] == "a signal is not finite"
    assert table.speed_ratio["broken"] > 0
    missing = run.load_table("compression_not_measured")
    assert set(missing.variant) == {"broken"}
    assert len(missing) == 2
    monkeypatch.setattr(variants, "build_variants", lambda *given: [build(*given)[1]])
    run.table_path("compression").unlink()
    for _ in range(2):  # measured, then from the saved table
        (none,) = compress(run).itertuples()
        assert (none.n, none.reason) == (0, "a signal is not finite")


def test_one_utterance_has_a_distance_and_no_interval():
    measured = Results([{"variant": "onnx", "speaker": "a", "mel_l1": 0.25}])
    found = variants._distances(measured, ["onnx", "absent"], ValidationConfig(resamples=100)).set_index("variant")
    assert found.mel_l1["onnx"] == 0.25
    assert np.isnan(found.mel_l1_low["onnx"])
    assert "no interval" in found.reason["onnx"]
    assert np.isnan(found.mel_l1["absent"])


def test_inputs_are_the_recordings_mel_and_the_spanish_embeddings(tiny_run):
    manifest, embeddings = prepared(tiny_run), embedded(tiny_run)
    utterance = manifest.split("test")[0]
    given = inputs_of(utterance, manifest, embeddings, train(tiny_run, "resynthesis"))
    assert given["content"].shape[:2] == (1, 80)
    assert np.array_equal(given["speaker"][0], embeddings.condition(utterance)[0])


def test_a_generator_that_openvino_cannot_run_has_the_other_variants(tmp_path):
    variants = build_variants(loud_vocoder(IstftConfig(channels=16, blocks=1)), tmp_path, random_inputs(2))
    assert [variant.name.split()[0] for variant in variants] == ["torch", "float16", "ONNX", "ONNX", "ONNX"]


def test_int8_spares_the_head_and_the_inverse_dft_of_an_inverse_stft_generator(tmp_path):
    vocoder, given = loud_vocoder(IstftConfig(channels=16, blocks=1)), random_inputs(2)
    *_, whole, every, partly = build_variants(vocoder, tmp_path, given)
    nodes = onnx.load(tmp_path / "int8-partly.onnx").graph.node
    made_by = {output: node.op_type for node in nodes for output in node.output}
    weights = [made_by.get(node.input[1]) for node in nodes if node.op_type == "MatMul"]
    assert weights == ["DequantizeLinear"] * (len(weights) - 3) + [None] * 3
    assert [x.op_type for x in nodes if x.op_type == "Gemm" and made_by.get(x.input[1]) != "DequantizeLinear"] == []
    wanted = whole.call(given[0])
    errors = [np.abs(variant.call(given[0]) - wanted).mean() for variant in (every, partly)]
    assert errors[1] < 0.5 * errors[0]


def test_the_numbers_of_calibration_and_test_utterances_are_those_of_the_settings(tiny_run, tmp_path, monkeypatch):
    class Measured(Exception):
        """Ends the compression before its timings."""

    def measure(built, tests, vocoder, progress):
        raise Measured([len(inputs) for inputs in (*built, tests)])

    numbers = {"compression__calibration_utterances": 3, "compression__test_utterances": 4}
    monkeypatch.setattr(variants, "build_variants", lambda vocoder, folder, calibration: [calibration])
    monkeypatch.setattr(variants, "quality", measure)
    with pytest.raises(Measured) as ended:
        compress(trained_beside(tiny_run, tmp_path / "run", **numbers))
    assert ended.value.args == ([3, 4],)
