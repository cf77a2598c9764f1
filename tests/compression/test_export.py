"""ONNX files, and what runs them."""

import numpy as np
import onnx
from loud_vocoder import loud_vocoder, random_inputs

from thesis_lib.compression import export_onnx, onnx_caller
from thesis_lib.config import IstftConfig
from thesis_lib.training import train
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder


def test_a_generator_without_a_graph_is_traced(tmp_path, monkeypatch):
    vocoder = loud_vocoder(IstftConfig(channels=16, blocks=1))
    export_onnx(vocoder, tmp_path / "built.onnx")
    monkeypatch.setattr("thesis_lib.compression.export.GRAPHS", {})
    export_onnx(vocoder, tmp_path / "traced.onnx")
    content = np.random.default_rng(0).normal(size=(1, 80, 20)).astype(np.float32)
    built, traced = (OnnxVocoder(tmp_path / f"{name}.onnx") for name in ("built", "traced"))
    assert np.abs(built(content) - traced(content)).max() <= 1e-4
    assert (built.meta, built.receptive_field) == (traced.meta, traced.receptive_field)


def test_no_file_asks_a_runtime_for_an_inverse_transform(tmp_path):
    export_onnx(loud_vocoder(IstftConfig(channels=16, blocks=1)), tmp_path / "student.onnx")
    assert not [node for node in onnx.load(tmp_path / "student.onnx").graph.node if node.op_type == "DFT"]


def test_with_bfloat16_samples_are_float32(tmp_path):
    """A bfloat16 between 0.5 and 1 is a multiple of 2 ** -8: none of the loud samples would be anything else."""
    export_onnx(loud_vocoder(), tmp_path / "whole.onnx")
    wav = onnx_caller(tmp_path / "whole.onnx", 1, "openvino-bf16")(random_inputs(1)[0])
    wanted = onnx_caller(tmp_path / "whole.onnx")(random_inputs(1)[0])
    assert np.abs(wav - wanted).mean() < 0.05 * np.abs(wanted).mean()
    steps = wav[np.abs(wav) > 0.5] * 2**8
    assert len(steps)
    assert np.mean(steps == np.round(steps)) < 0.1


def test_openvino_computes_what_onnx_runtime_does(tiny_run, tmp_path):
    export_onnx(train(tiny_run, "resynthesis"), tmp_path / "whole.onnx")
    mel = np.random.default_rng(0).normal(-5, 1, (1, 80, 33)).astype(np.float32)
    wanted, found = (OnnxVocoder(tmp_path / "whole.onnx", 1, x)(mel) for x in ("onnxruntime", "openvino"))
    assert np.abs(found - wanted).max() < 1e-4
    assert OnnxVocoder(tmp_path / "whole.onnx", 1, "openvino").card
