"""Kokoro's graph with a small generator of this project, the student, in the place of Kokoro's own.

The generator is the last part of Kokoro's network; it makes the samples and takes most of the time. The pipeline takes
phonetic content, energy, F0 and voicing from the speech and renders them in another voice, so that the output does not
contain these samples. The student makes samples with a similar spectrum: ConvNeXt blocks and an inverse STFT that
filter a pulse train and noise (``vocoder.generators.istft``). Its input is the decoder's states and F0, which Kokoro's
generator gets too, the decoder's energy, and both halves of the style vector. `thesis weights tts` trains it on
Kokoro's own speech; `python -m benchmarks clone_speed` compares both in time, words, quality and voice.

Shapes: T frames, 80 a second; C content channels: the decoder's states, its energy, log-F0, voicing.
"""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from thesis_lib.audio.pitch import PITCH_CENTRE, PITCH_SCALE
from thesis_lib.config import AudioConfig, ContentConfig, IstftConfig, digest
from thesis_lib.utils.errors import ThesisError, one_line
from thesis_lib.utils.files import fingerprint
from thesis_lib.utils.onnx_graph import GraphError
from thesis_lib.vocoder.content import channels
from thesis_lib.vocoder.description import DescriptionError, VocoderDescription
from thesis_lib.vocoder.graphs import GRAPH_VERSION
from thesis_lib.vocoder.graphs.istft import IstftNetwork

if TYPE_CHECKING:
    import onnx

FOLDER = Path(__file__).parents[1] / "data" / "tts"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
AUDIO = AudioConfig(sample_rate=24_000, n_fft=1200, win_length=1200, hop_length=300)  # Kokoro's frames
STATES = 512  # channels of the decoder's last layer before the generator
CONTENT = ContentConfig(kind="envelope", cepstra=STATES)  # of C = STATES + 3 channels
STYLE_HALF = 128  # numbers of a voice's style vector: the first half is for the decoder, the second for the prosody
GENERATOR = "/decoder/decoder/generator"  # begins the names of the generator's nodes
# Results in Kokoro's graph: the decoder's states (1, STATES, T), F0 in Hz and energy, (1, 1, T) each.
DECODER_RESULTS = {
    "states": "/decoder/decoder/decode.3/Div_4_output_0",
    "f0": "/decoder/decoder/Unsqueeze_output_0",
    "energy": "/decoder/decoder/Unsqueeze_1_output_0",
}
STYLE = "style"  # an input of Kokoro's graph, (1, 2 STYLE_HALF)
MIN_VOICED_HZ = 10.0  # Kokoro's own threshold
MIN_F0_HZ, MAX_F0_HZ, UNVOICED_F0_HZ = 50.0, 600.0, 150.0  # of the pulse train
STUDENT_INPUTS = ("content", "speaker", "emotion", "guidance", "origin")  # of the student's own graph


class StudentError(ThesisError):
    """A folder that does not hold a student of Kokoro's generator."""


def student_description(generator: IstftConfig, **record: Any) -> VocoderDescription:
    """The description of a student with this generator; ``record`` has the keys of its training."""
    return VocoderDescription(
        task="conversion",
        audio=AUDIO,
        content=CONTENT,
        generator=generator,
        speaker_dim=STYLE_HALF,
        emotion_dim=STYLE_HALF,
        speaker_encoder="kokoro-decoder-style",
        emotion_encoder="kokoro-prosody-style",
        **record,
    )


def read_student(folder: Path = FOLDER) -> tuple[VocoderDescription, dict[str, np.ndarray]]:
    """The description and the weights of a student. Raises StudentError where the folder holds none."""
    try:
        description = VocoderDescription.of(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        tensors = load_file(folder / WEIGHTS)
    except (OSError, ValueError, TypeError, DescriptionError, SafetensorError) as error:
        raise _no_student(folder, one_line(error)) from error
    dims = (description.speaker_dim, description.emotion_dim)
    excited = isinstance(description.generator, IstftConfig) and description.generator.excitation == "harmonic"
    if not excited or (description.audio, description.content, dims) != (AUDIO, CONTENT, (STYLE_HALF, STYLE_HALF)):
        raise _no_student(folder, f"{CONFIG} describes another vocoder")
    return description, tensors


def _no_student(folder: Path, reason: str) -> StudentError:
    return StudentError(
        f"{folder}: no student of Kokoro's generator ({reason}): make one with `thesis weights tts --out {folder}`"
    )


def student_key(description: VocoderDescription, folder: Path = FOLDER) -> str:
    """Digest of what determines the student's part of a graph: its settings, its weights, the code of the layers."""
    return digest([description.generator.model_dump(mode="json"), fingerprint(folder / WEIGHTS), GRAPH_VERSION])


def add_content(graph: "onnx.GraphProto") -> None:
    """Add the student's inputs to Kokoro's graph as results named "student_" and their name; "content" is (1, C, T)."""
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, value: np.ndarray) -> str:
        graph.initializer.append(numpy_helper.from_array(value, f"student_{name}"))
        return f"student_{name}"

    def number(name: str, value: float) -> str:
        return constant(name, np.array(value, np.float32))

    def add(name: str, op: str, *inputs: str, **attributes: Any) -> str:
        graph.node.append(helper.make_node(op, list(inputs), [f"student_{name}"], name=f"student_{name}", **attributes))
        return f"student_{name}"

    voiced = add("voiced", "Greater", DECODER_RESULTS["f0"], number("min_voiced", MIN_VOICED_HZ))
    limited = add("limited", "Clip", DECODER_RESULTS["f0"], number("min_f0", MIN_F0_HZ), number("max_f0", MAX_F0_HZ))
    log_f0 = add("log", "Log", add("hz", "Where", voiced, limited, number("unvoiced", UNVOICED_F0_HZ)))
    centred = add("centred", "Sub", log_f0, number("centre", PITCH_CENTRE))
    scaled = add("log_f0", "Div", centred, number("scale", PITCH_SCALE))
    voicing = add("voicing", "Cast", voiced, to=TensorProto.FLOAT)
    add("content", "Concat", DECODER_RESULTS["states"], DECODER_RESULTS["energy"], scaled, voicing, axis=1)
    axis, edges = constant("axis", np.array([1])), [constant(f"edge_{k}", np.array([k * STYLE_HALF])) for k in range(3)]
    for half, name in enumerate(("speaker", "emotion")):
        add(name, "Slice", STYLE, edges[half], edges[half + 1], axis)
    add("guidance", "Identity", constant("as_trained", np.ones(1, np.float32)))
    add("origin", "Identity", constant("start", np.zeros(2)))


def replace_generator(
    model: "onnx.ModelProto", description: VocoderDescription, tensors: Mapping[str, np.ndarray]
) -> "onnx.ModelProto":
    """Kokoro's model in float32, with the student in the place of its generator. StudentError for other tensors."""
    import onnx
    from onnx import TensorProto, compose, helper

    graph = model.graph
    nodes = [node for node in graph.node if not node.name.startswith(GENERATOR)]
    del graph.node[:]
    graph.node.extend(nodes)
    add_content(graph)
    del graph.output[:], graph.value_info[:]
    for name in STUDENT_INPUTS:
        kind = TensorProto.DOUBLE if name == "origin" else TensorProto.FLOAT
        graph.output.append(helper.make_tensor_value_info(f"student_{name}", kind, None))
    keep_used(graph)
    network = IstftNetwork(description, channels(description.audio, description.content), tensors)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "student.onnx"
        try:
            network.write(path, network.samples(), "waveform")
        except GraphError as error:
            raise StudentError(f"the student of Kokoro's generator: {error}: `thesis weights tts` makes one") from error
        student = compose.add_prefix(onnx.load(path), "student/").graph
    joined = [(f"student_{name}", f"student/{name}") for name in STUDENT_INPUTS]
    merged = compose.merge_graphs(graph, student, joined)
    return helper.make_model(merged, opset_imports=model.opset_import, ir_version=model.ir_version)


def keep_used(graph: "onnx.GraphProto") -> None:
    """Remove the nodes and constants on which no output of the graph depends, in place."""
    wanted, nodes = {value.name for value in graph.output}, []
    for node in reversed(graph.node):  # a node stands after those that make its input
        if wanted.intersection(node.output):
            nodes.append(node)
            wanted.update(name for name in node.input if name)  # an input that is left out has the name ""
    del graph.node[:]
    graph.node.extend(reversed(nodes))
    kept = [tensor for tensor in graph.initializer if tensor.name in wanted]
    del graph.initializer[:]
    graph.initializer.extend(kept)
