"""Make the encoders that a configuration names. "auto" is resolved here; tables show the resolved encoder's name.

An encoder's module, and torch with it, is imported when the encoder is made.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thesis_lib import pretrained
from thesis_lib.config import EncoderConfig
from thesis_lib.config.registries import ENCODERS
from thesis_lib.embeddings.encoders.base import Encoder, EncoderError

if TYPE_CHECKING:
    from torch import nn


def speaker_encoder(config: EncoderConfig, inference: bool = False) -> Encoder:
    """Make ``encoders.speaker``; "auto" is ECAPA-TDNN where its weights are cached, otherwise the tiny test encoder.

    For ``inference``, without a gradient, ECAPA-TDNN on the CPU is that of ONNX Runtime, in float32 and without torch,
    unless ``encoders.precision`` is bfloat16.

    Raises ModelError or EncoderError where the weights cannot be had, and RegistryError for an unknown name.
    """
    name = config.speaker
    if name == "auto":
        name = "ecapa" if pretrained.is_cached("ecapa") else "tiny-test"
    if inference and name == "ecapa" and config.device == "cpu" and config.precision != "bfloat16":
        from thesis_lib.embeddings.encoders.ecapa_onnx import OnnxEcapa

        return OnnxEcapa()
    return _make(name, config)


def emotion_encoder(config: EncoderConfig, inference: bool = False) -> Encoder:
    """Make ``encoders.emotion``; "auto" is emotion2vec where its weights can be had, otherwise eGeMAPS.

    For ``inference``, without a gradient, the released encoder on the CPU is that of NumPy, without torch.

    Raises EncoderError where the weights cannot be had, or ``encoders.emotion_folder`` is wrong, and RegistryError for
    an unknown name.
    """
    if inference and config.emotion == "whisper-emotion" and config.device == "cpu":
        from thesis_lib.embeddings.encoders.emotion_numpy import NumpyEmotionEncoder

        return NumpyEmotionEncoder()
    if config.emotion != "auto":
        return _make(config.emotion, config)
    try:
        return _make("emotion2vec", config)
    except EncoderError:
        # A wrong folder is an error in the user's settings: no fallback.
        if config.emotion_folder:
            raise
        return _make("egemaps", config)


def evaluation_encoders(config: EncoderConfig) -> list[Encoder]:
    """Make ``encoders.evaluation``: held-out speaker encoders, which no loss and no condition uses.

    Raises ModelError or EncoderError where weights cannot be had, and RegistryError for an unknown name.
    """
    return [EvaluationEncoder(name)(config) for name in config.evaluation]


@dataclass(frozen=True)
class EvaluationEncoder:
    """Make one of ``evaluation_encoders`` by its name; picklable, for other processes. Raises what that raises."""

    name: str

    def __call__(self, config: EncoderConfig) -> Encoder:
        """Make the encoder."""
        return _make(self.name, config, move=False)


def revisions(encoders: Iterable[Encoder]) -> dict[str, str]:
    """Encoder's name -> revision, for the provenance of a table."""
    return {encoder.name: encoder.revision for encoder in encoders}


@ENCODERS.register("ecapa")
def _ecapa(config: EncoderConfig) -> Encoder:
    from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn

    precision = config.precision
    if precision == "auto":
        precision = "bfloat16" if computes_in_bfloat16() else "float32"
    return EcapaTdnn(precision)


@ENCODERS.register("tiny-test")
def _tiny_test(config: EncoderConfig) -> Encoder:
    from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder

    return TinyTestEncoder()


@ENCODERS.register("emotion2vec")
def _emotion2vec(config: EncoderConfig) -> Encoder:
    from thesis_lib.embeddings.encoders.emotion2vec import Emotion2vec

    return Emotion2vec(config.emotion_folder)


@ENCODERS.register("whisper-emotion")
def _whisper_emotion(config: EncoderConfig) -> Encoder:
    from thesis_lib.embeddings.encoders.emotion import EmotionEncoder

    return EmotionEncoder()


@ENCODERS.register("egemaps")
def _egemaps(config: EncoderConfig) -> Encoder:
    from thesis_lib.embeddings.encoders.egemaps import Egemaps

    return Egemaps()


@ENCODERS.register("resemblyzer")
def _resemblyzer(config: EncoderConfig) -> Encoder:
    from thesis_lib.embeddings.encoders.resemblyzer import Resemblyzer

    return Resemblyzer()


@ENCODERS.register("eres2net")
def _eres2net(config: EncoderConfig) -> Encoder:
    from thesis_lib.embeddings.encoders.eres2net import Eres2net

    return Eres2net()


def _make(name: str, config: EncoderConfig, move: bool = True) -> Encoder:
    encoder = ENCODERS[name](config)
    # A vocoder stores its encoders' names, and finds them again by these.
    if name not in ENCODERS.builtin and encoder.name != name:
        raise EncoderError(f"the encoder registered as {name!r} has the name {encoder.name!r}: give it the same one")
    if move and hasattr(encoder, "to"):  # a torch network
        _move(encoder, config.device)
    return encoder


def computes_in_bfloat16() -> bool:
    """Whether this CPU has bfloat16 instructions; without them bfloat16 is slower than float32."""
    import torch

    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def _move(encoder: "nn.Module", device: str) -> None:
    try:
        encoder.to(device)
    except (RuntimeError, AssertionError) as error:
        raise EncoderError(f"encoders.device={device}: {str(error).splitlines()[0]}") from error
