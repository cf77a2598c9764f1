"""ECAPA-TDNN without torch equals that of torch."""

import numpy as np
import pytest
import torch
from helpers import voiced

from thesis_lib import pretrained
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import EncoderError, speaker_encoder
from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn
from thesis_lib.embeddings.encoders.ecapa_graph import BANDS, write_ecapa
from thesis_lib.embeddings.encoders.ecapa_onnx import OnnxEcapa, graph_file
from thesis_lib.embeddings.encoders.fbank import Fbank
from thesis_lib.embeddings.encoders.power_bands import power_bands
from thesis_lib.pretrained.torch_file import read_checkpoint
from thesis_lib.utils.files import sha256
from thesis_lib.utils.onnx_graph import GraphError

GRAPH_SHA256 = "98451db75a99c48081d7239de1a9fce4a49a66de1c6517408f012fbbf24f751f"


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
def test_the_graph_is_the_recorded_one():
    """A change of the builder that changes the file must raise ``GRAPH_VERSION``, on which cached files depend."""
    assert sha256(graph_file()) == GRAPH_SHA256


@pytest.mark.weights("ecapa")
@pytest.mark.parametrize("change", ["missing", "extra"])
def test_its_weights_are_taken_strictly(change, tmp_path):
    state = read_checkpoint(pretrained.fetch("ecapa") / "embedding_model.ckpt")
    if change == "missing":
        del state["asp_bn.norm.bias"]
    else:
        state["extra"] = np.zeros(1)
    with pytest.raises(GraphError, match=r"asp_bn\.norm\.bias|extra"):
        write_ecapa(state, tmp_path / "ecapa.onnx")


@pytest.mark.weights("ecapa")
def test_it_is_chosen_where_no_gradient_is_needed():
    config = EncoderConfig()
    assert isinstance(speaker_encoder(config, inference=True), OnnxEcapa)
    assert isinstance(speaker_encoder(config), EcapaTdnn)
    half = speaker_encoder(config.model_copy(update={"precision": "bfloat16"}), inference=True)
    assert isinstance(half, EcapaTdnn)
