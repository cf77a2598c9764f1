"""8-bit weights and activations."""

import numpy as np
import onnx
import onnxruntime
from loud_vocoder import loud_vocoder, random_inputs

from thesis_lib.compression import (
    export_onnx,
    inputs_of,
    last_stages,
    onnx_caller,
    quantize,
    quantize_weights,
    torch_caller,
)
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder


def test_int8_spares_what_it_is_told_to(tiny_run, tmp_path):
    vocoder = train(tiny_run, "resynthesis")
    manifest, embeddings = prepared(tiny_run), embedded(tiny_run)
    given = [inputs_of(u, manifest, embeddings, vocoder) for u in manifest.split("train")[:2]]
    export_onnx(vocoder, tmp_path / "whole.onnx")
    floats = []
    for spared in (0, last_stages(vocoder)):
        quantize(tmp_path / "whole.onnx", tmp_path / "int8.onnx", given, spared=spared)
        nodes = onnx.load(tmp_path / "int8.onnx").graph.node
        made_by = {output: node.op_type for node in nodes for output in node.output}
        weights = [made_by.get(node.input[1]) for node in nodes if node.op_type in ("Conv", "ConvTranspose")]
        floats.append(weights.count(None))
        assert OnnxVocoder(tmp_path / "int8.onnx").receptive_field == vocoder.receptive_field, (
            "what the file says of itself is kept"
        )
    assert floats == [0, last_stages(vocoder)]
    assert last_stages(vocoder) == 1 + 2 * 2 * 2 + 1, "upsampling, two fields of two dilations in pairs, the last"


def test_int8_weights_make_a_small_file_that_sounds_as_the_original(tmp_path):
    vocoder, given = loud_vocoder(), random_inputs(3)
    export_onnx(vocoder, tmp_path / "whole.onnx")
    quantize(tmp_path / "whole.onnx", tmp_path / "int8.onnx", given, spared=last_stages(vocoder))
    quantize_weights(tmp_path / "whole.onnx", tmp_path / "weights.onnx", given)
    large = [x for x in onnx.load(tmp_path / "weights.onnx").graph.initializer if np.prod(x.dims) > 5000]
    assert large
    assert {x.data_type for x in large} == {onnx.TensorProto.INT8}
    assert OnnxVocoder(tmp_path / "weights.onnx").receptive_field == vocoder.receptive_field, (
        "what the file says of itself is kept"
    )
    wanted = torch_caller(vocoder)(given[0])
    error, *errors = (
        np.abs(onnx_caller(tmp_path / f"{name}.onnx", 1, runtime)(given[0]) - wanted).mean()
        for name, runtime in (("int8", "onnxruntime"), ("weights", "onnxruntime"), ("weights", "openvino"))
    )
    assert max(errors) < 0.5 * error


def test_biases_take_back_what_rounded_weights_add_on_average(tmp_path):
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(5, 6, 3)).astype(np.float32), np.zeros(5, np.float32)
    weight[:, :, 0] *= 30  # most of a channel's weights are small beside its largest: rounding is coarse for them
    weight[4] = 0  # a channel that says nothing has a scale all the same
    shapes = {"x": [1, 6, "frames"], "y": [1, 5, "more"]}
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items())
    weights = [onnx.numpy_helper.from_array(array, name) for array, name in ((weight, "w"), (bias, "b"))]
    conv = onnx.helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv")
    graph = onnx.helper.make_graph([conv], "one", [x], [y], weights)
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "float.onnx")
    given = [{"x": (2 + rng.random((1, 6, 400))).astype(np.float32)} for _ in range(3)]
    quantize_weights(tmp_path / "float.onnx", tmp_path / "int8.onnx", given)
    sessions = [onnxruntime.InferenceSession(tmp_path / f"{name}.onnx") for name in ("float", "int8")]
    wanted, found = (session.run(None, given[0])[0] for session in sessions)
    said = weight[:4]
    scale = np.abs(said).max((1, 2), keepdims=True) / 127
    added = (np.round(said / scale) * scale - said).sum((1, 2)) * 2.5
    assert np.abs((found - wanted).mean((0, 2))).max() < 0.2 * np.abs(added).max()
