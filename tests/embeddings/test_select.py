"""Encoders by their names in the configuration."""

import pickle

import pytest
from helpers import voiced

from thesis_lib import pretrained
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders import (
    EncoderError,
    EvaluationEncoder,
    embed,
    emotion_encoder,
    evaluation_encoders,
    speaker_encoder,
)


def test_a_device_that_is_not_here_is_an_error(emotion2vec_folder):
    config = EncoderConfig(emotion="auto", emotion_folder=str(emotion2vec_folder), device="cuda:7")
    with pytest.raises(EncoderError, match="encoders.device=cuda:7"):
        emotion_encoder(config)


def test_the_tiny_encoder_says_what_it_is():
    encoder = speaker_encoder(EncoderConfig(speaker="tiny-test"))
    assert "test" in encoder.name
    assert embed(encoder, voiced(), 22_050).shape == (192,)


def test_without_emotion2vec_the_substitute_encoder_is_named_or_refused(monkeypatch):
    monkeypatch.setattr(pretrained, "hub_reachable", lambda: False)
    assert emotion_encoder(EncoderConfig(emotion="auto")).name == "egemaps"
    with pytest.raises(EncoderError, match="emotion_folder"):
        emotion_encoder(EncoderConfig(emotion="emotion2vec"))


def test_auto_speaker_falls_back_by_name(monkeypatch):
    monkeypatch.setattr(pretrained, "is_cached", lambda name: False)
    assert speaker_encoder(EncoderConfig(speaker="auto")).name == "tiny-test-encoder"
    assert evaluation_encoders(EncoderConfig(evaluation=())) == []


def test_the_loader_of_an_evaluation_encoder_is_the_same_in_another_process():
    """So that the process loads the network once, and not for every recording."""
    loader = EvaluationEncoder("resemblyzer")
    there = pickle.loads(pickle.dumps(loader))
    assert (there, hash(there)) == (loader, hash(loader))
