"""ECAPA-TDNN."""

import numpy as np
import pytest
import torch
from helpers import voiced
from voices import cosines

from thesis_lib import pretrained
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import embed, select, speaker_encoder
from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn, published_network, speaker_prototypes


@pytest.mark.weights("ecapa")
def test_ecapa_tells_voices_apart(two_voices):
    same, different = cosines(EcapaTdnn(), two_voices)
    assert same > 0.4 > 0.3 > different


@pytest.mark.weights("ecapa")
def test_ecapa_is_frozen_and_has_a_gradient():
    encoder = EcapaTdnn()
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    wav = torch.from_numpy(voiced(1.0, 16_000))[None].requires_grad_()
    encoder(wav).sum().backward()
    assert wav.grad.abs().sum() > 0


def classifier(encoder: EcapaTdnn):
    """speechbrain's own interface to the same weights."""
    from speechbrain.inference.speaker import EncoderClassifier

    modules = {
        "compute_features": encoder.features,
        "mean_var_norm": encoder.normalise,
        "embedding_model": published_network(),
        "classifier": torch.nn.Identity(),
    }
    return EncoderClassifier(modules, hparams={"label_encoder": None})


@pytest.mark.weights("ecapa")
def test_ecapa_is_speechbrains(two_voices):
    encoder = EcapaTdnn()
    theirs = classifier(encoder)
    for wav in (wav for wavs in two_voices.values() for wav in wavs):
        expected = theirs.encode_batch(torch.from_numpy(wav)[None]).squeeze()
        assert np.abs(encoder.encode(wav) - expected.numpy()).max() <= 1e-5 * float(expected.abs().max())


@pytest.mark.weights("ecapa")
def test_a_batch_of_mixed_lengths_gives_what_each_gives_alone(two_voices):
    """Which speechbrain's own does not."""
    encoder = EcapaTdnn()
    (long, short), _ = two_voices.values()
    wavs = [short[:4800], long, short[:40_001], long[:16_000], short]
    together, alone = encoder.encode_batch(wavs), np.stack([encoder.encode(wav) for wav in wavs])
    assert np.abs(together - alone).max() <= 1e-5 * np.abs(alone).max()
    lengths = torch.tensor([len(wav) / max(map(len, wavs)) for wav in wavs])
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(wav) for wav in wavs], batch_first=True)
    theirs = classifier(encoder).encode_batch(padded, lengths).squeeze(1).numpy()
    assert np.abs(theirs - alone).max() > 1


@pytest.mark.weights("ecapa")
def test_ecapa_in_bfloat16_is_nearly_the_same_and_says_so(two_voices, monkeypatch):
    (wav, _), _ = two_voices.values()
    monkeypatch.setattr(select, "computes_in_bfloat16", lambda: True)
    half = speaker_encoder(EncoderConfig())
    assert half.revision.endswith("-bfloat16")
    whole = speaker_encoder(EncoderConfig(precision="float32"))
    assert whole.revision == EcapaTdnn().revision
    a, b = half.encode(wav), whole.encode(wav)
    assert 0 < 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b) < 1e-3


@pytest.mark.weights("ecapa")
@pytest.mark.parametrize("seconds", [0.3, 60.0])
def test_ecapa_takes_any_length(seconds):
    assert embed(EcapaTdnn(), voiced(seconds, 16_000), 16_000).shape == (192,)


@pytest.mark.weights("ecapa")
@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_ecapa_weights_are_loaded_strictly(change, monkeypatch):
    state = torch.load(pretrained.fetch("ecapa") / "embedding_model.ckpt", map_location="cpu", weights_only=True)
    name = next(iter(state))
    if change == "missing":
        del state[name]
    elif change == "extra":
        state["extra"] = torch.zeros(1)
    else:
        state[name] = state[name][..., :1]
    monkeypatch.setattr(torch, "load", lambda *_, **__: state)
    with pytest.raises(RuntimeError, match="state_dict"):
        EcapaTdnn()


@pytest.mark.weights("ecapa-speakers")
def test_the_speaker_prototypes_are_thousands_of_different_people():
    prototypes = speaker_prototypes()
    assert prototypes.shape == (7205, EcapaTdnn.dim)
    assert torch.allclose(prototypes.norm(dim=1), torch.ones(len(prototypes)), atol=1e-5)
    alike = prototypes[:500] @ prototypes.T
    alike[torch.arange(500), torch.arange(500)] = 0
    assert alike.mean().abs() < 0.02
    assert alike.max() < 0.8
