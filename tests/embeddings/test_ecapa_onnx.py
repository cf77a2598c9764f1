"""ECAPA-TDNN without torch equals that of torch."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers import spoken, voiced

from thesis_lib import pretrained
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import EncoderError, speaker_encoder
from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn
from thesis_lib.embeddings.encoders.ecapa_graph import BANDS, FRAMES, POOLING, write_ecapa
from thesis_lib.embeddings.encoders.ecapa_onnx import OnnxEcapa, graph_file
from thesis_lib.embeddings.encoders.fbank import Fbank
from thesis_lib.embeddings.encoders.power_bands import parts_in_frames, power_bands
from thesis_lib.pretrained.torch_file import read_checkpoint
from thesis_lib.utils.files import sha256
from thesis_lib.utils.onnx_graph import GraphError

GRAPHS_SHA256 = {
    FRAMES: "2355e3eb49b41f3e3db8fa077372f967af729110869d58bcdb9d1ea99f23921e",
    POOLING: "accf0d8333e7cfcb04df339052e7de0893d00736bd7580fe8e3859001bc6a372",
}


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_its_features_are_those_of_torch():
    wav = voiced(0.7, 16_000)
    expected = Fbank(BANDS)(torch.from_numpy(wav)[None])[0].numpy()
    assert np.abs(power_bands(wav, BANDS) - expected).max() < 1e-3  # dB


@pytest.mark.weights("ecapa")
def test_its_vectors_are_those_of_torch():
    ours, theirs = OnnxEcapa(1), EcapaTdnn()
    assert (ours.name, ours.revision, ours.dim) == (theirs.name, theirs.revision, theirs.dim)
    for seconds in (0.3, 2.1):
        wav = voiced(seconds, 16_000)
        a, b = ours.encode(wav), theirs.encode(wav)
        assert np.abs(a - b).max() < 1e-4 * np.abs(b).max()
        assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > 0.999999


def test_every_part_of_a_hop_has_a_frame():
    for lengths in ([240, 160, 400], [160] * 5, [80 + 160, 161, 399]):
        parts = parts_in_frames(lengths, 1 + sum(lengths) // 160)
        assert all(part.stop > part.start for part in parts), lengths
        assert all(one.stop == other.start for one, other in pairwise(parts))


@pytest.mark.weights("ecapa")
def test_the_vectors_of_parts_are_those_of_torch_and_that_of_the_whole_is_the_usual_one():
    ours, theirs = OnnxEcapa(1), EcapaTdnn()
    one, other = spoken(0, 16_000)[:40_000], spoken(9, 16_000)[:32_000]
    wav, lengths = np.concatenate([one, other]), [len(one), len(other)]
    a, b = ours.encode_parts(wav, lengths), theirs.encode_parts(wav, lengths)
    assert a.shape == (3, 192)
    assert np.abs(a - b).max() < 1e-4 * np.abs(b).max()
    np.testing.assert_allclose(a[0], ours.encode(wav), atol=1e-4)
    alone = np.stack([ours.encode(one), ours.encode(other)])
    cosines = unit(a[1:]) @ unit(alone).T
    assert cosines.diagonal().min() > 0.8, "near that of the part alone"
    assert cosines.diagonal().min() > max(cosines[0, 1], cosines[1, 0]) + 0.2
    for encoder in (ours, theirs):
        with pytest.raises(EncoderError, match="a part has 159 samples: at least 160"):
            encoder.encode_parts(wav, [len(wav) - 159, 159])


@pytest.mark.weights("ecapa")
def test_a_signal_that_is_too_short_gives_the_same_error_as_in_torch():
    ours, theirs = OnnxEcapa(1), EcapaTdnn()
    shortest = voiced(0.04, 16_000)
    assert np.allclose(ours.encode(shortest), theirs.encode(shortest), atol=1e-2)
    for count in (0, 1, 200, 639):
        for encoder in (ours, theirs):
            with pytest.raises(EncoderError, match=rf"ecapa: .* {count} samples: at least 640 \(0\.04 s\)"):
                encoder.encode(shortest[:count])
    with pytest.raises(EncoderError, match="ecapa: .* 639 samples"):
        theirs.encode_batch([shortest, shortest[:639]])


@pytest.mark.weights("ecapa")
def test_the_graphs_are_the_recorded_ones():
    """A change of the builder that changes a file must raise ``GRAPH_VERSION``, on which cached files depend."""
    assert {name: sha256(graph_file(name)) for name in GRAPHS_SHA256} == GRAPHS_SHA256


@pytest.mark.weights("ecapa")
@pytest.mark.parametrize("part", [FRAMES, POOLING])
@pytest.mark.parametrize("change", ["missing", "extra"])
def test_its_weights_are_taken_strictly(part, change, tmp_path):
    state = read_checkpoint(pretrained.fetch("ecapa") / "embedding_model.ckpt")
    if change == "missing":
        del state["asp_bn.norm.bias" if part == POOLING else "mfa.norm.norm.bias"]
    else:
        state["asp_bn.extra" if part == POOLING else "extra"] = np.zeros(1)
    with pytest.raises(GraphError, match=r"norm\.bias|extra"):
        write_ecapa(state, part, tmp_path / "ecapa.onnx")


@pytest.mark.weights("ecapa")
def test_it_is_chosen_where_no_gradient_is_needed():
    config = EncoderConfig()
    assert isinstance(speaker_encoder(config, inference=True), OnnxEcapa)
    assert isinstance(speaker_encoder(config), EcapaTdnn)
    half = speaker_encoder(config.model_copy(update={"precision": "bfloat16"}), inference=True)
    assert isinstance(half, EcapaTdnn)
