"""The revision that an encoder has here, without loading its weights where it declares one."""

import pytest

from thesis_lib import pretrained
from thesis_lib.config import EncoderConfig
from thesis_lib.config.registries import ENCODERS
from thesis_lib.embeddings.encoders import declared
from thesis_lib.embeddings.encoders.declared import changed_revision, declared_revision
from thesis_lib.embeddings.encoders.egemaps import Egemaps
from thesis_lib.embeddings.encoders.emotion2vec import SHA256, Emotion2vec
from thesis_lib.embeddings.encoders.emotion_numpy import NumpyEmotionEncoder
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder

CONFIG = EncoderConfig()


@pytest.fixture
def registered(monkeypatch):
    """A function that registers an encoder from outside; it is gone after the test."""
    monkeypatch.setattr(ENCODERS, "_entries", dict(ENCODERS._entries))
    return lambda make, name="outside": ENCODERS.register(name, roles=("speaker",))(make)


@pytest.mark.parametrize("encoder", [Egemaps, TinyTestEncoder])
def test_it_is_the_revision_of_the_encoder(encoder):
    assert declared_revision(encoder.name, CONFIG) == encoder().revision


@pytest.mark.weights("whisper-tiny.en")
def test_it_is_the_revision_of_the_released_emotion_encoder():
    assert declared_revision("whisper-emotion", CONFIG) == NumpyEmotionEncoder().revision


def test_it_is_the_revision_of_the_folder_of_emotion2vec(emotion2vec_folder):
    folder = EncoderConfig(emotion_folder=str(emotion2vec_folder))
    assert declared_revision("emotion2vec", folder) == Emotion2vec(emotion2vec_folder).revision
    (emotion2vec_folder / "model.pt").unlink()
    assert declared_revision("emotion2vec", folder) is None
    assert SHA256.startswith(declared_revision("emotion2vec", CONFIG))


def test_a_retrained_emotion_encoder_is_another(monkeypatch):
    before = declared_revision("whisper-emotion", CONFIG)
    monkeypatch.setattr("thesis_lib.embeddings.encoders.emotion_numpy.sha256", lambda path: "f" * 64)
    now = declared_revision("whisper-emotion", CONFIG)
    assert changed_revision("whisper-emotion", before, CONFIG) == now != before


def test_a_package_that_is_missing_here_leaves_it_unknown(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("thesis_lib.embeddings.encoders.egemaps.version", missing)
    assert declared_revision("egemaps", CONFIG) is None
    assert declared_revision("no encoder of this name", CONFIG) is None


def test_a_class_from_outside_is_not_made(registered):
    class Outside:
        revision = "2"

        def __init__(self, config):
            raise AssertionError("its weights are loaded")

    registered(Outside)
    assert declared_revision("outside", CONFIG) == "2"
    assert changed_revision("outside", "2", CONFIG) is None
    assert changed_revision("outside", "20", CONFIG) == "2"


def test_a_function_from_outside_is_called_once(registered):
    made = []

    def outside(config):
        made.append(config)
        return type("Outside", (), {"revision": "3"})()

    registered(outside)
    assert [declared_revision("outside", CONFIG) for _ in range(3)] == ["3"] * 3
    assert made == [CONFIG]
    registered(lambda config: declared.missing_weights, "without weights")
    assert declared_revision("without weights", CONFIG) is None


def test_another_precision_of_ecapa_is_no_change():
    known = pretrained.get("ecapa").revision
    assert changed_revision("ecapa", f"{known}-bfloat16", CONFIG) is None
    assert changed_revision("ecapa", f"{known}1", CONFIG) == known
