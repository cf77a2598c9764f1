"""Build ONNX graphs from arrays: networks that run in ONNX Runtime and are made without torch."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock

from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import replacing, sha256, write_text
from thesis_lib.utils.threads import default_threads

if TYPE_CHECKING:
    import onnxruntime

OPSET, IR_VERSION = 20, 9
Value = (
    str | np.ndarray | np.generic | None
)  # an input of a node: the name of a result, a constant, or an input left out


class GraphError(ThesisError):
    """Weights that do not fit the network that is built, or a graph that cannot be kept in the cache."""


class Graph:
    """An ONNX graph that is written node by node; results are known by their names."""

    def __init__(self, inputs: Mapping[str, tuple[Any, Sequence[int | str]]]) -> None:
        """``inputs``: name -> type of NumPy, and shape, in which a string stands for any size."""
        self._inputs = inputs
        self._nodes: list[Any] = []
        self._constants: dict[Any, tuple[str, np.ndarray]] = {}

    def add(self, op: str, *inputs: Value, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node; returns the name of its result, or the names where ``outputs`` is above 1."""
        from onnx import helper

        count = len(self._nodes)
        names = [f"{op.lower()}_{count}" + (f"_{i}" if outputs > 1 else "") for i in range(outputs)]
        given = ["" if x is None else x if isinstance(x, str) else self._constant(x) for x in inputs]
        self._nodes.append(helper.make_node(op, given, names, name=names[0], **attributes))
        return names if outputs > 1 else names[0]

    def _constant(self, given: np.ndarray | np.generic) -> str:
        value = np.asarray(given, order="C")  # keeps scalars scalars
        # Weights are never shared: a quantisation that changes those of one layer must leave the others.
        key = (
            len(self._constants)
            if value.ndim and value.dtype.kind == "f"
            else (value.dtype.str, value.shape, value.tobytes())
        )
        return self._constants.setdefault(key, (f"constant_{len(self._constants)}", value))[0]

    def write(self, path: Path, output: str, name: str, meta: Mapping[str, str] | None = None) -> None:
        """Write the file: ``output`` is the graph's only result, and gets the given ``name``."""
        from onnx import TensorProto, helper, numpy_helper, save

        self._nodes.append(helper.make_node("Identity", [output], [name]))
        given = [
            helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
            for key, (kind, shape) in self._inputs.items()
        ]
        result = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        constants = [numpy_helper.from_array(value, key) for key, value in self._constants.values()]
        graph = helper.make_graph(self._nodes, "thesis_lib", given, [result], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        helper.set_model_props(model, dict(meta or {}))
        save(model, path)


class Network(Graph):
    """A graph that takes its constants from the tensors of trained weights, each of them once."""

    def __init__(
        self, inputs: Mapping[str, tuple[Any, Sequence[int | str]]], tensors: Mapping[str, np.ndarray]
    ) -> None:
        super().__init__(inputs)
        self._tensors = dict(tensors)

    def take(self, name: str) -> np.ndarray:
        """Return a tensor in float32. GraphError where it is missing or was taken before."""
        if name not in self._tensors:
            raise GraphError(f"the weights have no tensor {name}")
        return self._tensors.pop(name).astype(np.float32)

    def write(self, path: Path, output: str, name: str, meta: Mapping[str, str] | None = None) -> None:
        """Write the file as ``Graph.write`` does. GraphError where a tensor was not used."""
        if self._tensors:
            raise GraphError(f"the weights have a tensor {next(iter(self._tensors))}, for which there is no layer")
        super().write(path, output, name, meta)


def cached(path: Path, build: Callable[[Path], None]) -> Path:
    """Return ``path``, built by ``build`` unless it is there with the sha256 that was recorded beside it.

    The name must determine the content. Of two processes one builds and the other waits. GraphError where the folder
    cannot be written; a complete one need not be writable.
    """
    if _is_whole(path):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not _is_whole(path):
                with replacing(path) as partial:
                    build(partial)
                write_text(_record(path), sha256(path))
    except OSError as error:
        raise GraphError(
            f"{path}: cannot be written ({error.strerror or error}): free some space, or choose another place with "
            "--models-dir"
        ) from error
    return path


def _record(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _is_whole(path: Path) -> bool:
    return path.is_file() and _record(path).is_file() and _record(path).read_text() == sha256(path)


def session(model: Path | bytes, threads: int | None = None) -> "onnxruntime.InferenceSession":
    """Load a file or a serialised model into ONNX Runtime, on the CPU, with ``session_options``."""
    import onnxruntime

    given = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(given, session_options(threads), providers=["CPUExecutionProvider"])


def freeing_session(path: Path, threads: int | None = None) -> "onnxruntime.InferenceSession":
    """As ``session``, for a network with large intermediate results: their memory is freed after each call.

    Otherwise a session keeps the memory of its longest input. It has no memory patterns (``enable_mem_pattern``), with
    which the peak memory of a call is higher where every input has another length.
    """
    options = session_options(threads)
    options.enable_mem_pattern = False
    return _freeing_class()(str(path), options, providers=["CPUExecutionProvider"])


@functools.cache
def _freeing_class() -> type:
    import onnxruntime

    class FreeingSession(onnxruntime.InferenceSession):
        def run(self, names, inputs, options=None) -> list:
            options = options or onnxruntime.RunOptions()
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
            return super().run(names, inputs, options)

    return FreeingSession


def session_options(threads: int | None = None) -> "onnxruntime.SessionOptions":
    """Options of a session on the CPU.

    ``threads`` are by default the first number of OMP_NUM_THREADS, else the cores that the process may use.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or default_threads()
    options.log_severity_level = 3
    # Threads that wait for work must not take the cores of torch's and CTranslate2's.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
