"""Static int8 through ONNX Runtime: QDQ, per channel, calibrated on real inputs.

Its dynamic int8 has no fast convolution to offer, and a vocoder is convolutions.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CONVOLUTIONS = ("Conv", "ConvTranspose")


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
        nodes = onnx.load(prepared_model).graph.node
        convolutions = [node.name for node in nodes if node.op_type in CONVOLUTIONS]
        quantize_static(
            str(prepared_model),
            str(target),
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(operators) or None,
            nodes_to_exclude=convolutions[len(convolutions) - spared :],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
