"""Static int8 in ONNX: QDQ, per channel, calibrated on real inputs.

ONNX Runtime's dynamic int8 has no fast convolution to offer, and a vocoder is convolutions. Its static int8 has, with
results of eight bits as well: too few for what flows past the convolutions, sample by sample, to the end. OpenVINO
multiplies eight bits and hands on float.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

CONVOLUTIONS = ("Conv", "ConvTranspose")
LARGEST = 127  # of a weight in int8, symmetric
SMALLEST = 1e-12  # of a channel's weights: a channel of zeros has a scale too


def quantize(
    source: Path,
    target: Path,
    calibration: list[dict[str, np.ndarray]],
    operators: Sequence[str] = CONVOLUTIONS,
    spared: int = 0,
    float_results: bool = False,
) -> None:
    """An int8 copy of an ONNX file, of these operators alone or, with none named, of all that ONNX Runtime can.

    The last ``spared`` convolutions stay as they are: what they add to the sound, no later one takes away.
    With ``float_results`` only what goes into an operator is rounded, and biases are corrected: for OpenVINO, which
    computes that in int8, as ONNX Runtime does not.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._rows = iter(calibration)

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._rows, None)

    with tempfile.TemporaryDirectory() as work:
        prepared_model = Path(work) / "prepared.onnx"
        quant_pre_process(str(source), str(prepared_model), skip_symbolic_shape=True)
        model = onnx.load(prepared_model)
        convolutions = [node.name for node in model.graph.node if node.op_type in CONVOLUTIONS]
        excluded = convolutions[len(convolutions) - spared :]
        if float_results:
            _correct_biases(model, calibration, set(convolutions) - set(excluded))
            onnx.save(model, prepared_model)
        quantize_static(
            str(prepared_model),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(operators) or None,
            nodes_to_exclude=excluded,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": list(operators)} if float_results else None,
        )


def _correct_biases(model: "onnx.ModelProto", calibration: list[dict[str, np.ndarray]], names: set[str]) -> None:
    """Take from the biases of convolutions what the rounding of their weights adds on average.

    What goes into them is no noise around zero but the output of a rectifier. Nagel et al. 2019, arXiv:1906.04721
    (sec. 4.2).
    """
    import onnx
    import onnxruntime

    nodes = [node for node in model.graph.node if node.op_type == "Conv" and node.name in names]
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
        scale = np.maximum(np.abs(weight).max((1, 2), keepdims=True), SMALLEST) / LARGEST
        added = (np.round(weight / scale) * scale - weight).sum(2) @ means[node.input[0]]
        tensors[node.input[2]].CopyFrom(onnx.numpy_helper.from_array(bias - added, node.input[2]))
