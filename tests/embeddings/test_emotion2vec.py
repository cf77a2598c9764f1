"""emotion2vec, with random weights in the published layouts."""

import pickle
import random
import sys
import types

import numpy as np
import pytest
import torch
from helpers import voiced

from thesis_lib import pretrained
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import EncoderError, embed, emotion_encoder
from thesis_lib.embeddings.encoders.emotion2vec import Emotion2vec
from thesis_lib.utils.files import sha256


def test_emotion2vec_from_a_folder(emotion2vec_folder):
    before = torch.get_rng_state(), torch.get_num_threads(), random.getstate()
    encoder = emotion_encoder(EncoderConfig(emotion="auto", emotion_folder=str(emotion2vec_folder)))
    assert encoder.dim == 32, "the size is read from the model"
    wavs = [voiced(s, 16_000, f0) for s, f0 in ((1.0, 110), (0.7, 220))]
    vectors = [embed(encoder, w, 16_000) for w in wavs]
    assert not np.allclose(vectors[0], vectors[1])
    assert np.allclose(embed(encoder, wavs[0], 16_000), vectors[0])
    assert torch.get_num_threads() == before[1]
    assert random.getstate() == before[2]


def test_emotion2vec_with_a_missing_weight_is_an_error(emotion2vec_folder):
    state = torch.load(emotion2vec_folder / "model.pt", weights_only=True)
    name = next(iter(state["model"]))
    del state["model"][name]
    torch.save(state, emotion2vec_folder / "model.pt")
    with pytest.raises(EncoderError, match=name):
        Emotion2vec(emotion2vec_folder)
    with pytest.raises(EncoderError, match="nowhere: an emotion2vec folder holds"):
        emotion_encoder(EncoderConfig(emotion="auto", emotion_folder=str(emotion2vec_folder / "nowhere")))


def published(folder, monkeypatch) -> dict:
    """The folder as the base model is published: another name, and in the file what fairseq's training left there."""
    import argparse

    from omegaconf import OmegaConf

    left = type("Meter", (), {"__module__": "fairseq.logging.meters"})
    module = types.ModuleType("fairseq.logging.meters")
    module.Meter = left
    state = torch.load(folder / "model.pt", weights_only=True)["model"]
    with monkeypatch.context() as only_now:
        for name in ("fairseq", "fairseq.logging"):
            only_now.setitem(sys.modules, name, types.ModuleType(name))
        only_now.setitem(sys.modules, "fairseq.logging.meters", module)
        rest = {
            "cfg": OmegaConf.create({"a": [1, {"b": None}]}),
            "args": argparse.Namespace(seed=1),
            "meters": [left()],
        }
        optimizer = {"last_optimizer_state": {"exp_avg": torch.zeros(9)}}
        torch.save({"model": state | {"_ema.proj": torch.zeros(2)}} | rest | optimizer, folder / "emotion2vec_base.pt")
    (folder / "model.pt").unlink()
    return state


def test_emotion2vec_as_its_base_model_is_published(emotion2vec_folder, monkeypatch):
    before = Emotion2vec(emotion2vec_folder).encode(voiced(1.0, 16_000))
    published(emotion2vec_folder, monkeypatch)
    allowed = set(torch.serialization.get_safe_globals())
    with pytest.raises(pickle.UnpicklingError):
        torch.load(emotion2vec_folder / "emotion2vec_base.pt", weights_only=True)
    assert np.array_equal(Emotion2vec(emotion2vec_folder).encode(voiced(1.0, 16_000)), before)
    assert set(torch.serialization.get_safe_globals()) == allowed


def test_emotion2vec_as_its_fine_tuned_models_are_published(emotion2vec_folder):
    before = Emotion2vec(emotion2vec_folder).encode(voiced(1.0, 16_000))
    state = torch.load(emotion2vec_folder / "model.pt", weights_only=True)["model"]
    torch.save({f"d2v_model.{key}": tensor for key, tensor in state.items()}, emotion2vec_folder / "model.pt")
    with open(emotion2vec_folder / "config.yaml", "a") as config:
        config.write("scope_map: [d2v_model., none]\n")
    assert np.array_equal(Emotion2vec(emotion2vec_folder).encode(voiced(1.0, 16_000)), before)


def test_the_hub_gives_the_pinned_emotion2vec_or_none(emotion2vec_folder, monkeypatch):
    published(emotion2vec_folder, monkeypatch)
    asked = {}

    def snapshot_download(repository, **given):
        asked.update(given, repository=repository)
        return str(emotion2vec_folder)

    monkeypatch.setattr(pretrained, "hub_reachable", lambda: True)
    monkeypatch.setattr(pretrained, "offline", lambda: False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(EncoderError, match="sha256.*emotion_folder"):
        emotion_encoder(EncoderConfig(emotion="emotion2vec"))
    assert asked["repository"] == "emotion2vec/emotion2vec_base"
    assert len(asked["revision"]) == 40, "a commit, and no branch that can move"
    digest = sha256(emotion2vec_folder / "emotion2vec_base.pt")
    monkeypatch.setattr("thesis_lib.embeddings.encoders.emotion2vec.SHA256", digest)
    assert emotion_encoder(EncoderConfig(emotion="auto")).name == "emotion2vec"
