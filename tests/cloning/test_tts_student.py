"""Kokoro's graph with a student in the place of its generator."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from thesis_lib.audio.files import resample
from thesis_lib.cloning import tts_graph
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.cloning.tts_student import (
    AUDIO,
    CONFIG,
    CONTENT,
    DECODER_RESULTS,
    FOLDER,
    GENERATOR,
    STATES,
    STYLE_HALF,
    WEIGHTS,
    StudentError,
    add_content,
    keep_used,
    read_student,
    replace_generator,
    student_description,
)
from thesis_lib.config import CloningConfig, IstftConfig
from thesis_lib.pretrained.whisper import Whisper
from thesis_lib.validation.metrics import word_errors
from thesis_lib.vocoder.generators.istft import IstftGenerator

TEXT = "The children were playing in the garden when it started to rain."
GENERATOR_CONFIG = IstftConfig(channels=16, blocks=1, expansion=2, excitation="harmonic", condition_dim=8, fusion_dim=8)


def toy_kokoro():
    """A graph with the names of Kokoro's: what the generator is given comes from inputs; it makes the mean state."""
    given = {"states": [1, STATES, "frames"], "f0": [1, 1, "frames"], "energy": [1, 1, "frames"]}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in given.items()]
    inputs.append(helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 2 * STYLE_HALF]))
    nodes = [helper.make_node("Identity", [name], [DECODER_RESULTS[name]]) for name in given]
    nodes.append(
        helper.make_node("Mul", [DECODER_RESULTS["states"], "generator_weight"], ["waveform"], name=f"{GENERATOR}/Mul")
    )
    result = helper.make_tensor_value_info("waveform", TensorProto.FLOAT, None)
    weight = numpy_helper.from_array(np.ones(1, np.float32), "generator_weight")
    graph = helper.make_graph(nodes, "kokoro", inputs, [result], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def toy_input(frames=40):
    rng = np.random.default_rng(0)
    f0 = np.full(frames, 120.0)
    f0[10:20], f0[20], f0[21] = -3.0, 20.0, 900.0
    return {
        "states": rng.normal(size=(1, STATES, frames)).astype(np.float32),
        "f0": f0.astype(np.float32)[None, None],
        "energy": rng.normal(size=(1, 1, frames)).astype(np.float32),
        "style": rng.normal(size=(1, 2 * STYLE_HALF)).astype(np.float32),
    }


def run(model, given, names=None):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(names, given)


def random_student():
    torch.manual_seed(0)
    net = IstftGenerator(AUDIO, CONTENT, GENERATOR_CONFIG, STYLE_HALF, STYLE_HALF).eval()
    for tensor in net.parameters():  # FiLM begins as the identity, on which the style has no effect
        torch.nn.init.normal_(tensor, std=0.1)
    return student_description(GENERATOR_CONFIG), net


def test_the_content_is_states_energy_pitch_and_voicing():
    model, given = toy_kokoro(), toy_input()
    add_content(model.graph)
    for name in ("content", "speaker", "emotion"):
        model.graph.output.append(helper.make_tensor_value_info(f"student_{name}", TensorProto.FLOAT, None))
    content, speaker, emotion = run(model, given, [f"student_{name}" for name in ("content", "speaker", "emotion")])
    assert np.array_equal(content[:, :STATES], given["states"])
    assert np.array_equal(content[:, STATES], given["energy"][0])
    hz = np.exp(content[0, -2] * 0.35 + np.log(150))
    voiced = given["f0"][0, 0] > 10
    assert np.array_equal(content[0, -1], voiced)
    expected = np.where(voiced, np.clip(given["f0"][0, 0], 50, 600), 150)
    assert np.allclose(hz, expected, rtol=1e-5)
    assert np.array_equal(np.concatenate([speaker, emotion], axis=1), given["style"])


def test_the_student_makes_the_samples_in_the_place_of_the_generator():
    description, net = random_student()
    tensors = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    model = toy_kokoro()
    reference = toy_kokoro()
    add_content(reference.graph)
    reference.graph.output.append(helper.make_tensor_value_info("student_content", TensorProto.FLOAT, None))
    given = toy_input()
    (content,) = run(reference, given, ["student_content"])
    merged = replace_generator(model, description, tensors)
    assert not any(node.name.startswith(GENERATOR) for node in merged.graph.node)
    assert "generator_weight" not in {tensor.name for tensor in merged.graph.initializer}
    (wav,) = run(merged, given)
    style = torch.from_numpy(given["style"])
    with torch.inference_mode():
        condition = net.condition(style[:, :STYLE_HALF], style[:, STYLE_HALF:])
        expected = net.synthesise(torch.from_numpy(content), condition, torch.zeros(2, dtype=torch.float64))[0]
    assert wav.shape == (1, content.shape[2] * AUDIO.hop_length)
    assert np.abs(wav - expected.numpy()).max() <= 1e-4 * np.abs(wav).max()
    for half in (slice(0, STYLE_HALF), slice(STYLE_HALF, None)):
        other = given["style"].copy()
        other[:, half] *= -1
        assert np.abs(run(merged, given | {"style": other})[0] - wav).max() > 0.01 * np.abs(wav).max()


def test_what_no_output_depends_on_is_removed():
    graph = toy_kokoro().graph
    graph.node.append(helper.make_node("Neg", ["states"], ["unused"]))
    keep_used(graph)
    assert [node.op_type for node in graph.node] == ["Identity", "Mul"]
    assert len(graph.initializer) == 1


def test_a_folder_without_a_student_is_a_clear_error(tmp_path):
    about, weights = random_student()[0], {"x": np.zeros(1)}
    description = json.dumps(about.to_dict())
    hifigan = about.to_dict() | {"generator": {"kind": "hifigan"}}
    smaller = about.to_dict() | {"speaker_dim": 7}
    for text in (None, "{}", "null", "[", json.dumps(hifigan), json.dumps(smaller)):
        if text is not None:
            (tmp_path / CONFIG).write_text(text)
        save_file(weights, tmp_path / WEIGHTS)
        with pytest.raises(StudentError, match="thesis weights tts --out"):
            read_student(tmp_path)
    (tmp_path / CONFIG).write_text(description)
    assert read_student(tmp_path)[0] == about
    (tmp_path / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(StudentError, match="no student"):
        read_student(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(StudentError, match="no student"):
        read_student(tmp_path)


def test_a_missing_tensor_is_a_clear_error():
    description, net = random_student()
    tensors = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    tensors.pop("head.bias")
    with pytest.raises(StudentError, match=r"no tensor head\.bias: `thesis weights tts` makes one"):
        replace_generator(toy_kokoro(), description, tensors)


@pytest.mark.weights("kokoro", "kokoro-voices", "whisper-base")
def test_the_student_speaks_the_same_words_in_the_same_time():
    own, student = (KokoroSynthesizer(graph=name)(TEXT, "af_heart") for name in ("int8", "student"))
    assert abs(len(own) - len(student)) <= 2048  # the client trims silence
    recognised = Whisper("whisper-base")(resample(student, 24_000, 16_000), 16_000, "en").text
    assert word_errors(recognised, TEXT, "en")[0] == 0


@pytest.mark.weights("kokoro")
def test_other_weights_have_another_graph_in_the_cache(tmp_path, monkeypatch):
    description, tensors = read_student(FOLDER)
    (tmp_path / CONFIG).write_text(json.dumps(description.to_dict()))
    save_file(tensors | {"pre.bias": tensors["pre.bias"] + 1}, tmp_path / WEIGHTS)
    monkeypatch.setattr(tts_graph, "cached", lambda path, build: path)
    names = [tts_graph.kokoro_graph("student", folder).name for folder in (FOLDER, tmp_path)]
    save_file(tensors, tmp_path / WEIGHTS)
    (tmp_path / CONFIG).write_text(
        json.dumps(description.with_changes(generator=description.generator.model_dump() | {"lookahead": 2}).to_dict())
    )
    names.append(tts_graph.kokoro_graph("student", tmp_path).name)
    assert len(set(names)) == 3
    assert all("-student-" in name for name in names)


def build_with_substitutes(monkeypatch, converts: bool, **given) -> dict:
    """Build a pipeline of substitutes; what the TTS (graph, threads) and the recognition (threads) received."""
    module, received = sys.modules["thesis_lib.cloning.build"], {}
    description = SimpleNamespace(encoder_config=lambda given: given, check_encoders=lambda *encoders: None)
    loaded = SimpleNamespace(converts=converts, description=description)
    monkeypatch.setattr(module, "load_vocoder", lambda *given, **more: loaded)
    monkeypatch.setattr(module, "KokoroSynthesizer", lambda threads, graph: received.update(tts=threads, graph=graph))
    monkeypatch.setattr(module, "translator", lambda name, threads: received.update(recognition=threads))
    for name in ("speaker_encoder", "emotion_encoder", "VoiceCloningPipeline"):
        monkeypatch.setattr(module, name, lambda *given, **more: None)
    module.build(**given)
    return received


@pytest.mark.parametrize(
    ("converts", "asked", "used"),
    [(True, "student", "student"), (False, "student", "int8"), (True, "float32", "float32"), (False, "int8", "int8")],
)
def test_the_student_is_for_vocoders_that_convert(monkeypatch, converts, asked, used):
    received = build_with_substitutes(monkeypatch, converts, config=CloningConfig(tts=asked, watermark=False))
    assert received["graph"] == used


@pytest.mark.parametrize(("threads", "each"), [(1, (1, 1)), (2, (2, 1)), (8, (8, 4))])
def test_the_recognition_gets_half_of_the_threads(monkeypatch, threads, each):
    received = build_with_substitutes(monkeypatch, True, config=CloningConfig(watermark=False), threads=threads)
    assert (received["tts"], received["recognition"]) == each
