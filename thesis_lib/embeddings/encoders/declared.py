"""Revisions of the encoders of this installation, to be compared with those of stored embeddings and tables."""

import functools
from collections.abc import Callable

from thesis_lib import pretrained
from thesis_lib.config import EncoderConfig
from thesis_lib.config.registries import ENCODERS
from thesis_lib.embeddings.encoders.base import PRECISION_SUFFIX, Encoder


def changed_revision(name: str, stored: str, config: EncoderConfig) -> str | None:
    """The present revision of an encoder or of pretrained weights where it differs from a stored one, else None.

    ECAPA's arithmetic precision may differ. None also where the present revision is not known (``declared_revision``).
    """
    present = declared_revision(name, config)
    return present if present and present != stored.removesuffix(PRECISION_SUFFIX) else None


def declared_revision(name: str, config: EncoderConfig) -> str | None:
    """The revision of an encoder or of pretrained weights, by name, without loading them.

    Only an encoder from outside that is registered as a function is made for it, once a process. None for an unknown
    name, and for an encoder with a package or a folder that this machine lacks.
    """
    if name in pretrained.REGISTRY:
        return pretrained.REGISTRY[name].revision
    if name in _BUILTIN:
        try:
            return _BUILTIN[name](config)
        except (ImportError, OSError):
            return None
    if name not in ENCODERS:
        return None
    make = ENCODERS[name]
    revision = getattr(make, "revision", None)  # of a class
    return revision if isinstance(revision, str) else _revision_of_made(make, config)


@functools.lru_cache(maxsize=16)
def _revision_of_made(make: Callable[[EncoderConfig], Encoder], config: EncoderConfig) -> str | None:
    try:
        return make(config).revision
    except Exception:  # an encoder from outside may raise anything where its weights are missing
        return None


def _emotion2vec(config: EncoderConfig) -> str | None:
    from thesis_lib.embeddings.encoders import emotion2vec

    return emotion2vec.emotion2vec_revision(config.emotion_folder)


def _whisper_emotion(config: EncoderConfig) -> str:
    from thesis_lib.embeddings.encoders import emotion_numpy

    return emotion_numpy.revision(emotion_numpy.DEFAULT_FOLDER, pretrained.get("whisper-tiny.en").revision)


def _egemaps(config: EncoderConfig) -> str:
    from thesis_lib.embeddings.encoders import egemaps

    return egemaps.egemaps_revision()


def _tiny(config: EncoderConfig) -> str:
    from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder

    return TinyTestEncoder.revision


# The built-in encoders that are not in ``pretrained.REGISTRY``.
_BUILTIN: dict[str, Callable[[EncoderConfig], str | None]] = {
    "emotion2vec": _emotion2vec,
    "whisper-emotion": _whisper_emotion,
    "egemaps": _egemaps,
    "tiny-test-encoder": _tiny,
}
