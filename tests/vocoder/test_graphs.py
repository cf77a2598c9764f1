"""Vocoders built as ONNX graphs, without torch, equal the generators in torch."""

import numpy as np
import pytest
import torch
from helpers import voiced

from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig, IstftConfig
from thesis_lib.utils.onnx_graph import Graph, GraphError, session
from thesis_lib.vocoder.content import channels
from thesis_lib.vocoder.definitions import excitation_noise
from thesis_lib.vocoder.description import VocoderDescription
from thesis_lib.vocoder.generators.istft import Stft
from thesis_lib.vocoder.graphs import write_vocoder
from thesis_lib.vocoder.graphs.dft import StftNodes
from thesis_lib.vocoder.graphs.hifigan import polyphase
from thesis_lib.vocoder.loading import load_vocoder
from thesis_lib.vocoder.onnx_vocoder import OnnxVocoder
from thesis_lib.vocoder.sources import DEFAULT, UNIVERSAL
from thesis_lib.vocoder.synthesis import DeviceError, Vocoder
from thesis_lib.vocoder.voice import Voice

SMALL = {"condition_dim": 8, "speaker_projection": 6, "emotion_projection": 4, "fusion_dim": 8}
STAGES = {"channels": 16, "upsample_rates": (8, 8, 4), "kernel_sizes": (3, 5)}
GENERATORS = {
    "istft": IstftConfig(channels=16, blocks=2, expansion=2, excitation="none", **SMALL),
    "istft, harmonic": IstftConfig(channels=16, blocks=2, expansion=2, excitation="harmonic", **SMALL),
    "istft, look-ahead": IstftConfig(channels=16, blocks=2, expansion=2, excitation="harmonic", lookahead=2, **SMALL),
    "hifigan": HifiganConfig(**STAGES, dilations=((1, 3), (2,)), **SMALL),
    "hifigan, no plain convolutions": HifiganConfig(
        channels=16, upsample_rates=(16, 16), kernel_sizes=(3,), dilations=((1,),), plain_convolutions=False, **SMALL
    ),
}


def random_vocoder(generator, kind="phonetic") -> Vocoder:
    """A vocoder with random tensors only, so that none can be left out unnoticed."""
    description = VocoderDescription(
        task="conversion",
        audio=AudioConfig(),
        content=ContentConfig(kind=kind, components=12),
        generator=generator,
        speaker_dim=5,
        emotion_dim=3,
        speaker_encoder="ecapa",
        emotion_encoder="egemaps",
    )
    made = Vocoder.untrained(description)
    with torch.no_grad():
        for name, tensor in made.generator.state_dict().items():
            tensor.copy_(0.1 * torch.randn_like(tensor) + (1.0 if name.endswith("std") else 0.0))
    return made


def written(vocoder: Vocoder, path) -> OnnxVocoder:
    tensors = {name: x.numpy() for name, x in vocoder.generator.state_dict().items()}
    write_vocoder(vocoder.description, tensors, path)
    return OnnxVocoder(path, threads=1)


@pytest.mark.parametrize("name", GENERATORS)
def test_samples_receptive_field_and_stream_are_those_of_torch(name, tmp_path):
    kind = "mel" if name == "istft" else "phonetic"
    theirs = random_vocoder(GENERATORS[name], kind)
    ours = written(theirs, tmp_path / "vocoder.onnx")
    assert ours.receptive_field == theirs.receptive_field
    assert np.array_equal(ours.mean_emotion, theirs.mean_emotion)
    rng = np.random.default_rng(0)
    content = rng.normal(size=(1, channels(theirs.audio, theirs.content_config), 70)).astype(np.float32)
    for voice in (Voice(), Voice(rng.normal(size=5).astype(np.float32), rng.normal(size=3).astype(np.float32))):
        expected = theirs.samples(content, voice, 1.3)
        assert expected.std() > 1e-3
        assert np.abs(ours.samples(content, voice, 1.3) - expected).max() <= 1e-4
    pieces = np.split(content[0], [1, 40], axis=1)
    streamed = np.concatenate(list(ours.stream(pieces, voice, 1.3)))
    assert np.abs(streamed - expected).max() <= 1e-4


def test_the_released_vocoder_renders_what_it_renders_in_torch():
    ours, theirs = load_vocoder(DEFAULT), Vocoder.from_torch(DEFAULT)
    assert isinstance(ours, OnnxVocoder)
    assert (ours.name, ours.description, ours.receptive_field) == (DEFAULT, theirs.description, theirs.receptive_field)
    content = np.random.default_rng(0).normal(size=(1, 387, 40)).astype(np.float32)
    rng = np.random.default_rng(1)
    voice = Voice(rng.normal(size=192).astype(np.float32), rng.normal(size=64).astype(np.float32))
    assert np.abs(ours.samples(content, voice) - theirs.samples(content, voice)).max() <= 1e-4


@pytest.mark.weights("hifigan-universal")
def test_the_published_hifigan_is_that_of_torch():
    ours, theirs = load_vocoder(UNIVERSAL), Vocoder.from_torch(UNIVERSAL)
    assert ours.receptive_field == theirs.receptive_field
    wav = voiced(0.3)
    assert np.abs(ours.render(wav) - theirs.render(wav)).max() <= 1e-4


def test_the_noise_of_the_excitation_is_torchs():
    """Trained weights expect it: a file of another version of torch or NumPy must hold the same."""
    expected = torch.randn(2**16, generator=torch.Generator().manual_seed(0)).numpy()
    assert np.abs(excitation_noise() - expected).max() < 1e-6


def test_tensors_of_another_generator_are_refused(tmp_path):
    vocoder = random_vocoder(GENERATORS["istft, harmonic"])
    tensors = {name: x.numpy() for name, x in vocoder.generator.state_dict().items()}
    with pytest.raises(GraphError, match="no tensor head"):
        write_vocoder(
            vocoder.description, {n: x for n, x in tensors.items() if not n.startswith("head")}, tmp_path / "a.onnx"
        )
    with pytest.raises(GraphError, match="a tensor more"):
        write_vocoder(vocoder.description, tensors | {"more": np.zeros(1)}, tmp_path / "a.onnx")


def test_a_gpu_needs_torch(tmp_path):
    with pytest.raises(DeviceError, match="on the CPU"):
        written(random_vocoder(GENERATORS["istft"], "mel"), tmp_path / "vocoder.onnx").to("cuda")


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


@pytest.mark.parametrize(("size", "hop"), [(1024, 256), (1200, 300), (60, 20)])
def test_a_transform_of_any_size_is_that_of_torch(size, hop, tmp_path):
    audio = AudioConfig(n_fft=size, hop_length=hop, win_length=size)
    wav = np.random.default_rng(size).normal(size=(1, 12 * hop)).astype(np.float32)
    wanted = Stft(audio)(torch.from_numpy(wav)).numpy()
    for part, values in enumerate((wanted.real, wanted.imag)):
        graph = Graph({"wav": (np.float32, [1, "samples"])})
        graph.write(tmp_path / "forward.onnx", StftNodes(graph, audio).forward("wav")[part], "part")
        found = session(tmp_path / "forward.onnx", 1).run(None, {"wav": wav})[0]
        assert np.abs(found - values).max() <= 1e-5 * np.abs(wanted).max()
