import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers import trained_beside

from thesis_lib.compression import (
    build_variants,
    compress,
    export_onnx,
    float16_copy,
    inputs_of,
    last_stages,
    onnx_caller,
    prune,
    quantize,
    quantize_weights,
    torch_caller,
    variants,
)
from thesis_lib.compression.variants import ModelVariant
from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig, IstftConfig, ValidationConfig
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.prepare import prepared
from thesis_lib.training import train
from thesis_lib.utils.onnx_graph import Graph, session
from thesis_lib.validation.evaluation import Results
from thesis_lib.vocoder.generators.hifigan import ResBlock
from thesis_lib.vocoder.graphs.dft import StftNodes
from thesis_lib.vocoder.graphs.hifigan import polyphase
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder
from thesis_lib.vocoder.synthesis import Vocoder


def test_float16_storage_changes_the_weights_and_hardly_the_sound(tiny_run):
    vocoder = train(tiny_run, "resynthesis")
    copy = float16_copy(vocoder)
    mel = torch.randn(1, 80, 20)
    assert not torch.equal(copy.generator.pre.weight, vocoder.generator.pre.weight)
    assert torch.equal(copy.generator.pre.weight.half().float(), copy.generator.pre.weight)
    assert (copy(mel) - vocoder(mel)).abs().max() < 0.05


def test_the_table_has_every_variant(tiny_run):
    table = compress(tiny_run)
    assert list(table.variant) == [
        "torch float32",
        "float16 weights, computed in float32",
        "ONNX float32",
        "ONNX int8, all layers",
        "ONNX int8, but the last stage",
        "OpenVINO int8 weights",
    ]
    assert table.speed_ratio.iloc[0] == 1
    assert (table.speed_ratio_low <= table.speed_ratio).all()
    assert np.allclose(table.megabytes.iloc[1] * 2, table.megabytes.iloc[0])
    assert table.mel_l1.gt(0).all()
    assert (table.mel_l1_low < table.mel_l1).all()
    assert (table.mel_l1 < table.mel_l1_high).all()
    assert set(table.n) == {2}
    assert (table.reason == "").all()
    outputs = tiny_run.load_table("compression")
    assert outputs.groupby("variant").mel_l1.mean()[table.variant].to_numpy() == pytest.approx(table.mel_l1)
    saved = compress(tiny_run)
    assert saved.drop(columns="reason").equals(table.drop(columns="reason")), "from the saved table"
    assert (saved.reason == "").all()
    tiny_run.table_path("compression_summary").unlink()  # a table of an earlier version has none beside it
    assert "mel_l1_low" in compress(tiny_run)
    assert not list((tiny_run.path / "compressed").glob(".partial*"))


def test_a_variant_without_a_measured_output_keeps_its_speed_and_has_the_reason(tiny_run, tmp_path, monkeypatch):
    run = trained_beside(tiny_run, tmp_path / "run")

    def build(vocoder, folder, calibration):
        call = torch_caller(vocoder)
        return [
            ModelVariant("torch float32", 4.0, call),
            ModelVariant("broken", 1.0, lambda inputs: call(inputs) * np.nan),
        ]

    monkeypatch.setattr(variants, "build_variants", build)
    table = compress(run).set_index("variant")
    assert np.isnan(table.loc["broken", ["mel_l1", "mel_l1_low", "mel_l1_high"]].astype(float)).all()
    assert table.n.to_dict() == {"torch float32": 2, "broken": 0}
    assert table.reason["broken"] == "a signal is not finite"
    assert table.speed_ratio["broken"] > 0
    missing = run.load_table("compression_not_measured")
    assert set(missing.variant) == {"broken"}
    assert len(missing) == 2
    monkeypatch.setattr(variants, "build_variants", lambda *given: [build(*given)[1]])
    run.table_path("compression").unlink()
    for _ in range(2):  # measured, then from the saved table
        (none,) = compress(run).itertuples()
        assert (none.n, none.reason) == (0, "a signal is not finite")


def test_one_utterance_has_a_distance_and_no_interval():
    measured = Results([{"variant": "onnx", "speaker": "a", "mel_l1": 0.25}])
    found = variants._distances(measured, ["onnx", "absent"], ValidationConfig(resamples=100)).set_index("variant")
    assert found.mel_l1["onnx"] == 0.25
    assert np.isnan(found.mel_l1_low["onnx"])
    assert "no interval" in found.reason["onnx"]
    assert np.isnan(found.mel_l1["absent"])


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
        assert OnnxVocoder(tmp_path / "int8.onnx").receptive_field == vocoder.receptive_field, (
            "what the file says of itself is kept"
        )
    assert floats == [0, last_stages(vocoder)]
    assert last_stages(vocoder) == 1 + 2 * 2 * 2 + 1, "upsampling, two fields of two dilations in pairs, the last"


@pytest.mark.parametrize("rate", [2, 3, 5, 8])
def test_a_transposed_convolution_is_a_plain_one_and_an_interleaving(rate):
    up = torch.nn.ConvTranspose1d(6, 4, 2 * rate, rate, padding=(rate + 1) // 2, output_padding=rate % 2, bias=False)
    x = torch.randn(2, 6, 9)
    with torch.inference_mode():
        plain = torch.nn.functional.conv1d(x, torch.from_numpy(polyphase(up.weight.numpy(), rate)), padding=1)
        assert torch.allclose(plain.unflatten(1, (4, rate)).transpose(2, 3).flatten(2), up(x), atol=1e-6)


@pytest.mark.parametrize("size", [2, 30, 31, 1024])
def test_an_inverse_transform_is_two_products(size, tmp_path):
    rng = np.random.default_rng(size)
    real, imaginary = rng.normal(size=(2, 1, 5, size // 2 + 1)).astype(np.float32)
    parts = {name: (np.float32, [1, "frames", size // 2 + 1]) for name in ("real", "imaginary")}
    graph = Graph(parts)
    stft = StftNodes(graph, AudioConfig(n_fft=size, hop_length=size, win_length=size))
    graph.write(tmp_path / "inverse.onnx", stft._signals("real", "imaginary"), "frames")
    found = session(tmp_path / "inverse.onnx", 1).run(None, {"real": real, "imaginary": imaginary})[0]
    wanted = np.fft.irfft(real + 1j * imaginary, size)
    assert np.abs(found - wanted).max() <= 1e-6 * np.abs(wanted).max()


def test_a_generator_without_a_graph_is_traced(tmp_path, monkeypatch):
    vocoder = _loud_vocoder(IstftConfig(channels=16, blocks=1))
    export_onnx(vocoder, tmp_path / "built.onnx")
    monkeypatch.setattr("thesis_lib.compression.export.GRAPHS", {})
    export_onnx(vocoder, tmp_path / "traced.onnx")
    content = np.random.default_rng(0).normal(size=(1, 80, 20)).astype(np.float32)
    built, traced = (OnnxVocoder(tmp_path / f"{name}.onnx") for name in ("built", "traced"))
    assert np.abs(built(content) - traced(content)).max() <= 1e-4
    assert (built.meta, built.receptive_field) == (traced.meta, traced.receptive_field)


def test_no_file_asks_a_runtime_for_an_inverse_transform(tmp_path):
    export_onnx(_loud_vocoder(IstftConfig(channels=16, blocks=1)), tmp_path / "student.onnx")
    assert not [node for node in onnx.load(tmp_path / "student.onnx").graph.node if node.op_type == "DFT"]


LOUD = HifiganConfig(channels=64, kernel_sizes=(3, 7), dilations=((1, 3), (1, 3)))


def _loud_vocoder(generator: HifiganConfig | IstftConfig = LOUD) -> Vocoder:
    """One with random weights that are large enough for its layers to matter."""
    torch.manual_seed(0)
    meta = {"task": "resynthesis", "audio": AudioConfig().model_dump(), "content": ContentConfig().model_dump()}
    meta |= {"generator": generator.model_dump(), "speaker_dim": 5, "emotion_dim": 6}
    vocoder = Vocoder.untrained(meta | {"speaker_encoder": "ecapa", "emotion_encoder": "egemaps"})
    for module in vocoder.generator.modules():
        if isinstance(module, torch.nn.Conv1d | torch.nn.ConvTranspose1d):
            module.weight.data *= 8
    return vocoder


def _random_inputs(count: int) -> list[dict[str, np.ndarray]]:
    rng, shapes = np.random.default_rng(0), {"content": (1, 80, 60), "speaker": (1, 5), "emotion": (1, 6)}
    rows = [{name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()} for _ in range(count)]
    return [row | {"content": 2 * row["content"] - 5, "guidance": np.ones(1, np.float32)} for row in rows]


def test_a_generator_that_openvino_cannot_run_has_the_other_variants(tmp_path):
    variants = build_variants(_loud_vocoder(IstftConfig(channels=16, blocks=1)), tmp_path, _random_inputs(2))
    assert [variant.name.split()[0] for variant in variants] == ["torch", "float16", "ONNX", "ONNX", "ONNX"]


def test_int8_weights_make_a_small_file_that_sounds_as_the_original(tmp_path):
    vocoder, given = _loud_vocoder(), _random_inputs(3)
    export_onnx(vocoder, tmp_path / "whole.onnx")
    quantize(tmp_path / "whole.onnx", tmp_path / "int8.onnx", given, spared=last_stages(vocoder))
    quantize_weights(tmp_path / "whole.onnx", tmp_path / "weights.onnx", given)
    large = [x for x in onnx.load(tmp_path / "weights.onnx").graph.initializer if np.prod(x.dims) > 5000]
    assert large
    assert {x.data_type for x in large} == {onnx.TensorProto.INT8}
    assert OnnxVocoder(tmp_path / "weights.onnx").receptive_field == vocoder.receptive_field, (
        "what the file says of itself is kept"
    )
    wanted = torch_caller(vocoder)(given[0])
    error, *errors = (
        np.abs(onnx_caller(tmp_path / f"{name}.onnx", 1, runtime)(given[0]) - wanted).mean()
        for name, runtime in (("int8", "onnxruntime"), ("weights", "onnxruntime"), ("weights", "openvino"))
    )
    assert max(errors) < 0.5 * error


def test_with_bfloat16_samples_are_float32(tmp_path):
    """A bfloat16 between 0.5 and 1 is a multiple of 2 ** -8: none of the loud samples would be anything else."""
    export_onnx(_loud_vocoder(), tmp_path / "whole.onnx")
    wav = onnx_caller(tmp_path / "whole.onnx", 1, "openvino-bf16")(_random_inputs(1)[0])
    wanted = onnx_caller(tmp_path / "whole.onnx")(_random_inputs(1)[0])
    assert np.abs(wav - wanted).mean() < 0.05 * np.abs(wanted).mean()
    steps = wav[np.abs(wav) > 0.5] * 2**8
    assert len(steps)
    assert np.mean(steps == np.round(steps)) < 0.1


def test_openvino_computes_what_onnx_runtime_does(tiny_run, tmp_path):
    export_onnx(train(tiny_run, "resynthesis"), tmp_path / "whole.onnx")
    mel = np.random.default_rng(0).normal(-5, 1, (1, 80, 33)).astype(np.float32)
    wanted, found = (OnnxVocoder(tmp_path / "whole.onnx", 1, x)(mel) for x in ("onnxruntime", "openvino"))
    assert np.abs(found - wanted).max() < 1e-4
    assert OnnxVocoder(tmp_path / "whole.onnx", 1, "openvino").card


def test_biases_take_back_what_rounded_weights_add_on_average(tmp_path):
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(5, 6, 3)).astype(np.float32), np.zeros(5, np.float32)
    weight[:, :, 0] *= 30  # most of a channel's weights are small beside its largest: rounding is coarse for them
    weight[4] = 0  # a channel that says nothing has a scale all the same
    shapes = {"x": [1, 6, "frames"], "y": [1, 5, "more"]}
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items())
    weights = [onnx.numpy_helper.from_array(array, name) for array, name in ((weight, "w"), (bias, "b"))]
    conv = onnx.helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv")
    graph = onnx.helper.make_graph([conv], "one", [x], [y], weights)
    opset = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "float.onnx")
    given = [{"x": (2 + rng.random((1, 6, 400))).astype(np.float32)} for _ in range(3)]
    quantize_weights(tmp_path / "float.onnx", tmp_path / "int8.onnx", given)
    sessions = [onnxruntime.InferenceSession(tmp_path / f"{name}.onnx") for name in ("float", "int8")]
    wanted, found = (session.run(None, given[0])[0] for session in sessions)
    said = weight[:4]
    scale = np.abs(said).max((1, 2), keepdims=True) / 127
    added = (np.round(said / scale) * scale - said).sum((1, 2)) * 2.5
    assert np.abs((found - wanted).mean((0, 2))).max() < 0.2 * np.abs(added).max()


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
    meta |= {"task": "resynthesis", "speaker_encoder": "ecapa", "emotion_encoder": "egemaps"}
    with pytest.raises(ValueError, match="only a hifigan"):
        prune(Vocoder.untrained(meta), 0.5)
    with pytest.raises(ValueError, match="plain_convolutions"):
        HifiganConfig(plain_convolutions=False, inner=0.5)
