import numpy as np
import pytest
import torch

from thesis_lib.compression import compress, export_onnx, float16_copy, inputs_of, onnx_caller, torch_caller
from thesis_lib.config import AudioConfig, ContentConfig, IstftConfig
from thesis_lib.dataset import embedded, prepared
from thesis_lib.synthesis import Vocoder
from thesis_lib.training import train


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory):
    """The tiny vocoder, with a condition that matters, and its ONNX file."""
    vocoder = train(tiny_run, "resynthesis")
    for module in vocoder.generator.modules():
        if hasattr(module, "affine"):
            torch.nn.init.normal_(module.affine.weight, std=0.05)
    path = tmp_path_factory.mktemp("onnx") / "v.onnx"
    export_onnx(vocoder, path)
    return vocoder, path


@pytest.mark.parametrize("frames", [2, 3, 40, 137])
def test_onnx_equals_torch_for_any_length_and_condition(exported, frames):
    vocoder, path = exported
    rng = np.random.default_rng(frames)
    given = {"content": rng.normal(-5, 1, (1, 80, frames)).astype(np.float32)}
    outputs = []
    for _ in range(2):
        given |= {"speaker": rng.normal(0, 9, (1, 192)).astype(np.float32)}
        given |= {"emotion": rng.normal(0, 9, (1, 88)).astype(np.float32)}
        outputs.append(onnx_caller(path)(given))
        assert len(outputs[-1]) == frames * 256
        assert np.abs(outputs[-1] - torch_caller(vocoder)(given)).max() <= 1e-4
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-6, "the condition is in the file"


def test_float16_storage_changes_the_weights_and_hardly_the_sound(tiny_run):
    vocoder = train(tiny_run, "resynthesis")
    copy = float16_copy(vocoder)
    mel = torch.randn(1, 80, 20)
    assert not torch.equal(copy.generator.pre.weight, vocoder.generator.pre.weight)
    assert torch.equal(copy.generator.pre.weight.half().float(), copy.generator.pre.weight)
    assert (copy(mel) - vocoder(mel)).abs().max() < 0.05


def test_the_table_has_every_form(tiny_run):
    table = compress(tiny_run)
    assert list(table.form) == [
        "torch float32",
        "float16 weights, computed in float32",
        "ONNX float32",
        "ONNX int8 (static, per channel)",
    ]
    assert table.speed_ratio.iloc[0] == 1
    assert (table.speed_ratio_low <= table.speed_ratio).all()
    assert np.allclose(table.megabytes.iloc[1] * 2, table.megabytes.iloc[0])
    assert table.mel_l1.gt(0).all()
    assert not list((tiny_run.path / "compressed").glob(".partial*"))


def test_inputs_are_the_recordings_mel_and_the_spanish_embeddings(tiny_run):
    manifest, embeddings = prepared(tiny_run), embedded(tiny_run)
    utterance = manifest.split("test")[0]
    given = inputs_of(utterance, manifest, embeddings, train(tiny_run, "resynthesis"))
    assert given["content"].shape[:2] == (1, 80)
    assert np.array_equal(given["speaker"][0], embeddings.condition(utterance)[0])


@pytest.mark.parametrize("excitation", ["none", "harmonic"])
def test_the_istft_generator_is_exported_with_its_inverse_stft_and_its_excitation(tmp_path, excitation):
    content = ContentConfig(kind="envelope")
    generator = IstftConfig(channels=16, blocks=1, excitation=excitation)
    sections = {"audio": AudioConfig(), "content": content, "generator": generator}
    meta = {name: section.model_dump() for name, section in sections.items()}
    vocoder = Vocoder.untrained(meta | {"speaker_dim": 5, "emotion_dim": 6})
    export_onnx(vocoder, tmp_path / "v.onnx")
    rng = np.random.default_rng(0)
    for frames in (2, 60):
        shapes = {"content": (1, 27, frames), "speaker": (1, 5), "emotion": (1, 6)}
        given = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        assert np.abs(onnx_caller(tmp_path / "v.onnx")(given) - torch_caller(vocoder)(given)).max() <= 1e-4
