"""The synthesizer's graph in int8."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from thesis_lib.audio.files import resample
from thesis_lib.audio.log_mel import log_mel
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.cloning.tts_graph import DECODER, MIN_CHANNELS, _quantise, _widen, kokoro_graph
from thesis_lib.config import AudioConfig
from thesis_lib.embeddings.encoders.ecapa_onnx import OnnxEcapa
from thesis_lib.validation.metrics import cosine


def convolution(taps: int, dilation: int, stride: int = 1, name: str = DECODER + "conv") -> object:
    """A model of one convolution, "same" padding, with a bias."""
    rng = np.random.default_rng(taps)
    weight = rng.normal(size=(MIN_CHANNELS, MIN_CHANNELS, taps)).astype(np.float16)
    pad = dilation * (taps - 1) // 2
    node = helper.make_node(
        "Conv", ["x", "w", "b"], ["y"], name=name, dilations=[dilation], pads=[pad, pad], strides=[stride], group=1
    )
    tensors = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(weight[:, 0, 0], "b")]
    shape = [1, MIN_CHANNELS, None]
    x, y = (helper.make_tensor_value_info(key, TensorProto.FLOAT16, shape) for key in "xy")
    graph = helper.make_graph([node], "conv", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model: object, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize(("taps", "dilation"), [(1, 1), (3, 1), (7, 3), (11, 5)])
def test_a_convolution_in_integers_is_the_convolution(taps, dilation):
    model = convolution(taps, dilation)
    _widen(model.graph)
    x = np.random.default_rng(0).normal(size=(1, MIN_CHANNELS, 60)).astype(np.float32)
    expected = run(model, x)
    _quantise(model)
    assert [node.op_type for node in model.graph.node].count("Conv") == 0
    assert np.std(run(model, x) - expected) < 0.02 * expected.std()


def test_what_is_not_of_the_decoder_stays_as_it_is():
    model = convolution(3, 1, name="/encoder/conv")
    _quantise(model)
    assert [node.op_type for node in model.graph.node] == ["Conv"]


def test_a_stride_is_refused():
    with pytest.raises(ValueError, match="stride 1"):
        _quantise(convolution(3, 1, stride=2))


@pytest.mark.weights("kokoro", "kokoro-voices", "ecapa")
def test_speech_in_integers_is_that_in_float32():
    exact, fast = (
        KokoroSynthesizer(graph=name)("We walked along the river.", "af_sarah") for name in ("float32", "int8")
    )
    assert kokoro_graph("int8").stat().st_size < 0.6 * kokoro_graph("float32").stat().st_size
    assert abs(len(exact) - len(fast)) <= 2048  # the client trims silence
    audio, encoder = AudioConfig(), OnnxEcapa(1)
    mels = [log_mel(resample(wav, 24_000, audio.sample_rate), audio) for wav in (exact, fast)]
    frames = min(mel.shape[1] for mel in mels)
    loud = mels[0][:, :frames].mean(0) > mels[0].mean(0).max() - 3
    assert np.abs(mels[0][:, :frames] - mels[1][:, :frames])[:, loud].mean() < 0.3
    assert cosine(*(encoder.encode(resample(wav, 24_000, 16_000)) for wav in (exact, fast))) > 0.97
