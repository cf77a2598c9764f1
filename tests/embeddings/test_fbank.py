"""The cached filter bank of ECAPA-TDNN."""

import contextlib

import pytest
import torch
from helpers import voiced
from torch.utils._python_dispatch import TorchDispatchMode

from thesis_lib.embeddings.encoders import fbank
from thesis_lib.embeddings.encoders.ecapa import BANDS, EcapaTdnn
from thesis_lib.embeddings.encoders.fbank import Fbank


def test_features_and_gradient_are_speechbrain_s():
    from speechbrain.lobes.features import Fbank as Theirs

    speech = torch.from_numpy(voiced(1.0, 16_000))
    rows = torch.stack([speech, 1e-3 * speech, torch.zeros_like(speech), speech.roll(4000)])
    rows[3, 8000:] = 0
    weights, found = torch.randn(4, 101, BANDS), []
    for features in (Fbank(BANDS), Theirs(n_mels=BANDS)):
        wav = rows.clone().requires_grad_()
        bands = features(wav)
        (weights * bands).sum().backward()
        found.append((bands.detach(), wav.grad))
    (ours, own_gradient), (theirs, their_gradient) = found
    assert (ours - theirs).abs().max() <= 1e-5
    assert (own_gradient - their_gradient).abs().max() <= 1e-5 * their_gradient.abs().max()


def test_features_stay_in_float32_under_autocast():
    wav, features = torch.from_numpy(voiced(0.5, 16_000))[None], Fbank(BANDS)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(features(wav), Fbank(BANDS)(wav))
        half = features(wav)
    assert torch.equal(half, features(wav))


class Copies(TorchDispatchMode):
    """Names of the operations that move a tensor to another device."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        given = {x.device.type for x in args if isinstance(x, torch.Tensor)}
        if isinstance(result, torch.Tensor) and given and result.device.type not in given:
            self.found.append(function.overloadpacket.__name__)
        return result


def copies(module, *shape: int) -> list[str]:
    """On the device "meta", which computes nothing and refuses tensors of the host."""
    module, given = module.to("meta"), torch.empty(*shape, device="meta")
    with Copies() as seen:
        module(given)
    return seen.found


@pytest.mark.weights("ecapa")
def test_nothing_is_copied_from_the_host_in_a_forward_pass(monkeypatch):
    from speechbrain.processing.features import Filterbank

    # There is no autocast on "meta".
    monkeypatch.setattr(fbank.torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    assert copies(Fbank(BANDS), 2, 16_000) == []
    assert copies(EcapaTdnn(), 2, 16_000) == []
    assert copies(Filterbank(BANDS), 2, 101, 201), "speechbrain's copies its filters"
