"""emotion2vec, with random weights in the published layouts."""

import json
import pickle
import random
import sys
import types

import numpy as np
import pytest
import torch
from canaries import Bomb
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


class Gadget:
    """Object that, when unpickled, calls a function of numpy that runs code that creates the canary."""

    def __init__(self, canary):
        self.code = f"open({str(canary)!r}, 'w')"

    def __reduce__(self):
        from numpy.testing import runstring

        return runstring, (self.code, {})


# emotion2vec's folder, which a user may have from anywhere.


def bomb_of(canary, layers):
    return layers.format(f"__import__('pathlib').Path({str(canary)!r}).touch()")


@pytest.mark.parametrize(
    "layers",
    [
        "{0}",
        "[({0}, 10, 5)]",
        "[(16, 10, 5)] + [({0} or 16, 3, 2)]",
        "[(16, 10, 5) for _ in [{0}]]",
        "(lambda: {0})()",
        "[(16, 10, 5)] * 1000000000",
        "[(16, 10, 5)] * 9 ** 9 ** 9",
        "'a' * 10",
        "[(16, 10, True)]",
        "[(16, 10,",
    ],
)
def test_the_layers_of_emotion2vec_are_not_run_as_code(emotion2vec_folder, canary, layers):
    config = emotion2vec_folder / "config.yaml"
    text = config.read_text()
    (own,) = [line for line in text.splitlines() if "feature_encoder_spec" in line]
    config.write_text(text.replace(own, f"      feature_encoder_spec: {json.dumps(bomb_of(canary, layers))}"))
    with pytest.raises(EncoderError, match="feature_encoder_spec|not a folder of emotion2vec"):
        Emotion2vec(emotion2vec_folder)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:pathlib.Path.touch [{0}]",
        "model_conf: !!python/object/new:os.system ['touch {0}']",
        "model_conf: [",
        "just text",
        "model_conf: {{}}",
        "a: &a [1]\nmodel_conf: *b",
    ],
)
def test_yaml_that_would_construct_objects_is_refused(emotion2vec_folder, canary, text):
    (emotion2vec_folder / "config.yaml").write_text(text.format(canary))
    with pytest.raises(EncoderError, match="not a folder of emotion2vec"):
        Emotion2vec(emotion2vec_folder)


def test_what_a_foreign_checkpoint_names_is_not_run(emotion2vec_folder, canary):
    weights = emotion2vec_folder / "model.pt"
    torch.save(torch.load(weights, weights_only=True) | {"cfg": Gadget(canary)}, weights)
    torch.load(weights, weights_only=False)  # without weights_only its code runs
    canary.unlink()
    Emotion2vec(emotion2vec_folder)  # does not create the canary


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickle_bombs_do_not_go_off(emotion2vec_folder, canary):
    weights = emotion2vec_folder / "model.pt"
    good = torch.load(weights, weights_only=True)
    for content in (
        {"model": Bomb(canary)},
        Bomb(canary),
        good | {"cfg": Bomb(canary)},
        [torch.zeros(1)],
        {"model": 1},
    ):
        torch.save(content, weights)
        with pytest.raises(EncoderError, match="not a folder of emotion2vec|no weights need"):
            Emotion2vec(emotion2vec_folder)
    for data in (pickle.dumps(Bomb(canary)), b"", b"PK\x03\x04 and no archive"):
        weights.write_bytes(data)
        with pytest.raises(EncoderError, match="not a folder of emotion2vec"):
            Emotion2vec(emotion2vec_folder)
