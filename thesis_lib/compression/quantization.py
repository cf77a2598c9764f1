"""Quantise an ONNX vocoder to int8, per channel, calibrated on real inputs: static (QDQ), or the weights alone.

ONNX Runtime's dynamic int8 has no fast convolution, and a vocoder is convolutions. Its static int8 has one, but it
also rounds the activations to eight bits, which is audible in the last layers. Weights alone in eight bits make a
small file with hardly any change of the samples; they are fast where the processor has matrix units for bfloat16.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

CONVOLUTIONS = ("Conv",)  # transposed ones are exported as these
MATRIX_PRODUCTS = ("MatMul", "Gemm")  # the layers of a generator with an inverse STFT
WEIGHTED = ("Conv", "Gemm")  # operators with weights that have the output channels as their first axis
MAX_INT8 = 127  # symmetric
MIN_CHANNEL_PEAK = 1e-12  # so that a channel of zeros has a scale too


def quantize(
    source: Path,
    target: Path,
    calibration: list[dict[str, np.ndarray]],
    operators: Sequence[str] = CONVOLUTIONS,
    spared: int = 0,
) -> None:
    """Write a copy of an ONNX file with ``operators`` in int8; empty: all that ONNX Runtime supports.

    The last ``spared`` nodes of ``operators`` stay in float32, as no later layer can reduce their rounding noise.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._rows = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._rows, None)

    model = _prepared(source)
    nodes = [node.name for node in model.graph.node if node.op_type in operators]
    quantize_static(
        model,
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(operators) or None,
        nodes_to_exclude=nodes[len(nodes) - spared :],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def quantize_weights(source: Path, target: Path, calibration: list[dict[str, np.ndarray]]) -> None:
    """Write a copy of an ONNX file with weights in int8, computed in float32, and with corrected biases."""
    import onnx

    model = _prepared(source)
    _correct_biases(model, calibration)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    weights = {node.input[1] for node in model.graph.node if node.op_type in WEIGHTED} & tensors.keys()
    widened = []
    for name in sorted(weights):
        rounded, scale = _rounded(onnx.numpy_helper.to_array(tensors[name]))
        tensors[name].CopyFrom(onnx.numpy_helper.from_array(rounded.astype(np.int8), name))
        model.graph.initializer.append(onnx.numpy_helper.from_array(scale.reshape(-1), f"{name}.scale"))
        names = [name, f"{name}.scale"], [f"{name}.float"]
        widened.append(onnx.helper.make_node("DequantizeLinear", *names, name=f"{name}.widen", axis=0))
    for node in model.graph.node:
        node.input[:] = [f"{name}.float" if name in weights else name for name in node.input]
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, target)


def _prepared(source: Path) -> "onnx.ModelProto":
    """The model after ONNX Runtime's preprocessing: constants folded, shapes inferred."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "prepared.onnx"
        quant_pre_process(str(source), str(path), skip_symbolic_shape=True)
        return onnx.load(path)


def _rounded(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C', ...) -> weights in integer steps of int8, and the size of a step in each output channel, (C', 1, ...)."""
    within = tuple(range(1, weight.ndim))
    scale = np.maximum(np.abs(weight).max(within, keepdims=True), MIN_CHANNEL_PEAK) / MAX_INT8
    return np.round(weight / scale), scale


def _correct_biases(model: "onnx.ModelProto", calibration: list[dict[str, np.ndarray]]) -> None:
    """Subtract the mean error of the rounded weights from the biases of convolutions.

    The mean is not zero, as the inputs come from a rectifier. Nagel et al. 2019, arXiv:1906.04721 (sec. 4.2).
    """
    import onnx
    import onnxruntime

    nodes = [node for node in model.graph.node if node.op_type in CONVOLUTIONS]
    inputs = sorted({node.input[0] for node in nodes})
    probed = onnx.ModelProto()
    probed.CopyFrom(model)
    probed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inputs)
    session = onnxruntime.InferenceSession(probed.SerializeToString(), providers=["CPUExecutionProvider"])
    # Every calibration input counts alike, however long it is.
    found = [[x.mean((0, 2)) for x in session.run(inputs, given)] for given in calibration]
    means = {name: np.mean(rows, axis=0) for name, rows in zip(inputs, zip(*found, strict=True), strict=True)}
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in nodes:
        weight, bias = (onnx.numpy_helper.to_array(tensors[name]) for name in node.input[1:3])
        rounded, scale = _rounded(weight)
        added = (rounded * scale - weight).sum(2) @ means[node.input[0]]
        tensors[node.input[2]].CopyFrom(onnx.numpy_helper.from_array(bias - added, node.input[2]))
