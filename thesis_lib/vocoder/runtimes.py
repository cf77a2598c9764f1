"""The runtimes of ONNX vocoders: ONNX Runtime, and OpenVINO for HiFi-GAN.

Importing this module imports no runtime, so that the command line can name them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import openvino

Runtime = Literal["onnxruntime", "openvino", "openvino-bf16"]  # bf16: faster and less precise


def openvino_caller(path: Path, threads: int, runtime: Runtime) -> "Callable[[dict], np.ndarray]":
    """Load a file into OpenVINO; returns a function of the inputs by name. ``threads`` 0 is OpenVINO's default."""
    import numpy as np
    import openvino

    core = openvino.Core()
    settings: dict[str, object] = {"NUM_STREAMS": 1}
    if threads:
        settings["INFERENCE_NUM_THREADS"] = threads

    def request(model: openvino.Model, precision: str) -> openvino.InferRequest:
        compiled = core.compile_model(model, "CPU", settings | {"INFERENCE_PRECISION_HINT": precision})
        return compiled.create_infer_request()

    model = core.read_model(path)
    if runtime == "openvino":
        whole = request(model, "f32")
        return lambda given: np.array(whole.infer(given)[0])
    before, last = (request(part, precision) for part, precision in zip(_split(model), ("bf16", "f32"), strict=True))
    return lambda given: np.array(last.infer([before.infer(given)[0]])[0])


def _split(model: "openvino.Model") -> "tuple[openvino.Model, openvino.Model]":
    """Split the model before its last convolution, which outputs samples.

    That one stays in float32: a bfloat16 sample would have eight bits.
    """
    import openvino
    from openvino import opset8

    last = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"][-1]
    given = last.input(0).get_source_output()
    before = openvino.Model([given], model.get_parameters())
    handed = opset8.parameter(given.get_partial_shape(), given.get_element_type())
    last.input(0).replace_source_output(handed.output(0))
    return before, openvino.Model(model.get_results(), [handed])
