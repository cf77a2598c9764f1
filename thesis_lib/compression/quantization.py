"""int8 in ONNX, per channel, calibrated on real inputs: static in QDQ variant, or of the weights alone.

ONNX Runtime's dynamic int8 has no fast convolution to offer, and a vocoder is convolutions. Its static int8 has, with
results of eight bits as well: too few for what flows past the convolutions, sample by sample, to the end. Weights
alone in eight bits make a small file, and the sound hardly differs; they are fast where the processor has matrix units
for bfloat16.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

CONVOLUTIONS = ("Conv",)  # transposed ones are exported as these
WEIGHTED = ("Conv", "Gemm")  # operators whose output channels are the first axis of their weights
LARGEST = 127  # of a weight in int8, symmetric
SMALLEST = 1e-12  # of a channel's weights: a channel of zeros has a scale too


def quantize(
    source: Path,
    target: Path,
    calibration: list[dict[str, np.ndarray]],
    operators: Sequence[str] = CONVOLUTIONS,
    spared: int = 0,
) -> None:
    """An int8 copy of an ONNX file, of these operators alone or, with none named, of all that ONNX Runtime can.

    The last ``spared`` convolutions stay as they are: what they add to the sound, no later one takes away.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._rows = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._rows, None)

    model = _prepared(source)
    convolutions = [node.name for node in model.graph.node if node.op_type in CONVOLUTIONS]
    quantize_static(
        model,
        str(target),
        Reader(),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=list(operators) or None,
        nodes_to_exclude=convolutions[len(convolutions) - spared :],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )


def quantize_weights(source: Path, target: Path, calibration: list[dict[str, np.ndarray]]) -> None:
    """A copy of an ONNX file with weights in int8, which is computed in float, and with biases corrected."""
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
    """What ONNX Runtime makes of a file before it quantises: constants folded, shapes known."""
    import onnx
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as work:
        path = Path(work) / "prepared.onnx"
        quant_pre_process(str(source), str(path), skip_symbolic_shape=True)
        return onnx.load(path)


def _rounded(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C', ...) -> the same in whole steps of int8, and what a step is worth in each output channel, (C', 1, ...)."""
    within = tuple(range(1, weight.ndim))
    scale = np.maximum(np.abs(weight).max(within, keepdims=True), SMALLEST) / LARGEST
    return np.round(weight / scale), scale


def _correct_biases(model: "onnx.ModelProto", calibration: list[dict[str, np.ndarray]]) -> None:
    """Take from the biases of convolutions what the rounding of their weights adds on average.

    What goes into them is no noise around zero but the output of a rectifier. Nagel et al. 2019, arXiv:1906.04721
    (sec. 4.2).
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
