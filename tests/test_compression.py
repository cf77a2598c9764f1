import numpy as np
import onnx
import pytest
import torch

from thesis_lib.compression import compress, export_onnx, float16_copy, inputs_of, last_stages, prune, quantize
from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig, IstftConfig
from thesis_lib.dataset import embedded, prepared
from thesis_lib.generators.hifigan import ResBlock
from thesis_lib.portable import OnnxVocoder
from thesis_lib.synthesis import Vocoder
from thesis_lib.training import train


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
        "ONNX int8, all layers",
        "ONNX int8, but the last stage",
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


def test_int8_spares_what_it_is_told_to(tiny_run, tmp_path):
    vocoder = train(tiny_run, "resynthesis")
    manifest, embeddings = prepared(tiny_run), embedded(tiny_run)
    given = [inputs_of(u, manifest, embeddings, vocoder) for u in manifest.split("train")[:2]]
    export_onnx(vocoder, tmp_path / "whole.onnx")
    floats = []
    for spared in (0, last_stages(vocoder)):
        quantize(tmp_path / "whole.onnx", tmp_path / "int8.onnx", given, spared=spared)
        nodes = onnx.load(tmp_path / "int8.onnx").graph.node
        made_by = {output: node.op_type for node in nodes for output in node.output}
        weights = [made_by.get(node.input[1]) for node in nodes if node.op_type in ("Conv", "ConvTranspose")]
        floats.append(weights.count(None))
        assert OnnxVocoder(tmp_path / "int8.onnx").reach == vocoder.reach, "what the file says of itself is kept"
    assert floats == [0, last_stages(vocoder)]
    assert last_stages(vocoder) == 2 * 2 * 2 + 1, "two fields of two dilations, a pair each, and the last convolution"


def test_pruning_takes_the_lightest_channels_between_two_convolutions(tiny_run):
    vocoder = train(tiny_run, "resynthesis")
    small = prune(vocoder, 0.5)
    assert small.parameters() < vocoder.parameters()
    pairs = [
        (v.generator.stages[0].fields[0].dilated[0], v.generator.stages[0].fields[0].plain[0]) for v in (vocoder, small)
    ]
    (first, second), (fewer, follows) = pairs
    assert fewer.out_channels == follows.in_channels == first.out_channels // 2
    assert follows.out_channels == second.out_channels
    weight = first.weight.flatten(1).norm(dim=1) * second.weight.transpose(0, 1).flatten(1).norm(dim=1)
    kept = weight >= weight.sort(descending=True).values[fewer.out_channels - 1]
    assert torch.equal(fewer.weight, first.weight[kept])
    assert torch.equal(follows.weight, second.weight[:, kept])


def test_channels_that_weigh_nothing_are_pruned_without_a_difference(tiny_run, tmp_path):
    vocoder = float16_copy(train(tiny_run, "resynthesis"))
    for module in vocoder.generator.modules():
        if isinstance(module, ResBlock):
            for second in module.plain:
                second.weight[:, ::2] = 0
    small, mel = prune(vocoder, 0.5), torch.randn(1, 80, 20)
    assert torch.allclose(small(mel), vocoder(mel), atol=1e-6)
    small.save_pretrained(tmp_path / "small")
    assert torch.equal(Vocoder.from_pretrained(tmp_path / "small")(mel), small(mel))


def test_only_hifigan_with_pairs_is_pruned():
    meta = {"audio": AudioConfig().model_dump(), "content": ContentConfig().model_dump()}
    meta |= {"generator": IstftConfig(channels=8, blocks=1).model_dump(), "speaker_dim": 5, "emotion_dim": 6}
    with pytest.raises(ValueError, match="only a hifigan"):
        prune(Vocoder.untrained(meta), 0.5)
    with pytest.raises(ValueError, match="plain_convolutions"):
        HifiganConfig(plain_convolutions=False, inner=0.5)
