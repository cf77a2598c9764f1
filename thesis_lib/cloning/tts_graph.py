"""Kokoro's graph in float32, with the decoder's convolutions in int8, or also with the student generator.

"student" is "int8" with a small generator in the place of Kokoro's own (``tts_student``).

The published file is in float16, in which some sentences overflow to NaN, and which is not faster on a CPU. The 8-bit
graph takes less time than float32. Its weights are quantised per output channel. The activations are
quantised in each call, with the range of the whole input (ONNX's operator DynamicQuantizeLinear), so that no
calibration data is needed. Phonemes, durations, pitch and the harmonic source stay in float32.
`python -m benchmarks clone_speed` compares the three in time, words and quality.

Shapes: C input channels, D output channels, K taps, T frames.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from thesis_lib import pretrained
from thesis_lib.cloning.tts_student import FOLDER, keep_used, read_student, replace_generator, student_key
from thesis_lib.config import TtsGraph
from thesis_lib.utils.onnx_graph import cached

if TYPE_CHECKING:
    import onnx

# Part of the cached files' names: a change of this module or of ``tts_student`` that changes the files raises it.
GRAPH_VERSION = 1
DECODER = "/decoder/"  # begins the names of the decoder's nodes
MIN_CHANNELS = 128  # of a convolution that is computed in integers: smaller ones take no time
# Of a weight. Seven bits: processors without the VNNI instructions add two products in 16 bits, which 8 bits exceed.
MAX_INTEGER_WEIGHT = 63
TO_THE_END = np.iinfo(np.int64).max


def kokoro_graph(kind: TtsGraph, student: Path = FOLDER) -> Path:
    """The path of the graph in the cache, built from the published weights where it is not there.

    ``student``: folder of the student's weights. Raises ModelError where Kokoro's weights cannot be had, StudentError
    where the folder holds no student that can be used, GraphError where the cache cannot be written.
    """
    source = pretrained.fetch("kokoro") / "model_fp16.onnx"
    name = f"kokoro-{pretrained.get('kokoro').revision}-{graph_key(kind, student)}-{GRAPH_VERSION}.onnx"

    def build(path: Path) -> None:
        import onnx

        model = onnx.load(source)
        _widen(model.graph)
        if kind == "student":
            model = replace_generator(model, *read_student(student))
        if kind != "float32":
            _quantise(model)
        onnx.save(model, path)

    return cached(pretrained.models_dir() / "graphs" / name, build)


def graph_key(kind: TtsGraph, student: Path = FOLDER) -> str:
    """The kind of a graph, and of "student" the digest of its weights too. StudentError as ``kokoro_graph``."""
    return f"{kind}-{student_key(read_student(student)[0], student)}" if kind == "student" else kind


def _widen(graph: "onnx.GraphProto") -> None:
    """Convert float16 tensors and casts to float32, in place."""
    from onnx import AttributeProto, TensorProto

    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT16:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                _widen_tensor(attribute.t)
            elif attribute.type == AttributeProto.GRAPH:
                _widen(attribute.g)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT16:
                attribute.i = TensorProto.FLOAT


def _widen_tensor(tensor: "onnx.TensorProto") -> None:
    from onnx import TensorProto, numpy_helper

    if tensor.data_type == TensorProto.FLOAT16:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float32), tensor.name))


def _quantise(model: "onnx.ModelProto") -> None:
    """Replace the decoder's large convolutions by matrix products of integers, in place."""
    from onnx import helper, numpy_helper

    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[Any] = []
    for node in graph.node:
        weight = weights.get(node.input[1]) if node.op_type == "Conv" and node.name.startswith(DECODER) else None
        if weight is None or min(weight.dims[:2]) < MIN_CHANNELS:
            nodes.append(node)
        else:
            made, constants = _integer_convolution(node, numpy_helper.to_array(weight))
            nodes += made
            graph.initializer.extend(constants)
    del graph.node[:]
    graph.node.extend(nodes)
    keep_used(graph)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))  # of MatMulIntegerToFloat


def _integer_convolution(node: "onnx.NodeProto", weight: np.ndarray) -> tuple[list[Any], list[Any]]:
    """Nodes and constants that compute a convolution (1, C, T) -> (1, D, T) with weights (D, C, K) in integers.

    The input is quantised and its K shifted copies are joined, (1, T, K C); their product with the weights (K C, D) is
    the convolution. The stride must be 1, and there must be one group.
    """
    from onnx import helper, numpy_helper

    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if given["strides"] != [1] or given["group"] != 1:
        raise ValueError(f"{node.name}: only convolutions of stride 1 in one group are computed in integers")
    outputs, _, taps = weight.shape
    (step,), (before, after) = given["dilations"], given["pads"]
    flat = weight.transpose(2, 1, 0).reshape(-1, outputs)
    scale = np.maximum(np.abs(flat).max(0) / MAX_INTEGER_WEIGHT, np.finfo(np.float32).tiny).astype(np.float32)
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, f"{node.name}/{name}"))
        return f"{node.name}/{name}"

    def add(op: str, inputs: list[str], *names: str, domain: str = "", **attributes: Any) -> list[str]:
        results = [f"{node.name}/{name}" for name in names]
        nodes.append(helper.make_node(op, inputs, results, name=results[0], domain=domain, **attributes))
        return results

    integers, unit, zero = add("DynamicQuantizeLinear", [node.input[0]], "integers", "unit", "zero")
    (frames,) = add("Transpose", [integers], "frames", perm=[0, 2, 1])
    if before or after:
        (frames,) = add("Pad", [frames, constant("pads", np.array([0, before, 0, 0, after, 0])), zero], "padded")
    if taps > 1:
        shifted = []
        for tap in range(taps):
            start, end = tap * step, (tap + 1 - taps) * step or TO_THE_END
            limits = [constant(f"{name}_{tap}", np.array([x])) for name, x in (("start", start), ("end", end))]
            shifted += add("Slice", [frames, *limits, constant(f"axis_{tap}", np.array([1]))], f"shifted_{tap}")
        (frames,) = add("Concat", shifted, "joined", axis=2)
    quantised = np.round(flat / scale).astype(np.int8)
    inputs = [frames, constant("weights", quantised), unit, constant("scale", scale), zero]
    inputs.append(constant("no_offset", np.zeros(outputs, np.int8)))
    (product,) = add("MatMulIntegerToFloat", [*inputs, *node.input[2:]], "product", domain="com.microsoft")
    nodes.append(helper.make_node("Transpose", [product], [node.output[0]], name=node.name, perm=[0, 2, 1]))
    return nodes, constants
