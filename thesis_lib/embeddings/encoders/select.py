"""Which encoder a configuration means. What "auto" became is in the encoder's name, and so in every table."""

from collections.abc import Callable

import torch
from torch import nn

from thesis_lib import pretrained
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings.encoders.base import Encoder, EncoderError
from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn
from thesis_lib.embeddings.encoders.egemaps import Egemaps
from thesis_lib.embeddings.encoders.emotion2vec import Emotion2vec
from thesis_lib.embeddings.encoders.eres2net import Eres2net
from thesis_lib.embeddings.encoders.resemblyzer import Resemblyzer
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder


def speaker_encoder(config: EncoderConfig) -> Encoder:
    """ECAPA-TDNN; with "auto" the tiny test encoder where ECAPA's weights are not cached."""
    if config.speaker == "tiny-test" or (config.speaker == "auto" and not pretrained.is_cached("ecapa")):
        return TinyTestEncoder()
    precision = config.precision
    if precision == "auto":
        precision = "bfloat16" if computes_in_bfloat16() else "float32"
    encoder = EcapaTdnn(precision)
    _move(encoder, config.device)
    return encoder


def emotion_encoder(config: EncoderConfig) -> Encoder:
    """emotion2vec; with "auto" eGeMAPS where emotion2vec cannot be had."""
    if config.emotion == "egemaps":
        return Egemaps()
    try:
        encoder = Emotion2vec(config.emotion_folder)
    except EncoderError:
        # A folder that the user named and that is wrong is the user's to mend, not ours to pass over.
        if config.emotion == "emotion2vec" or config.emotion_folder:
            raise
        return Egemaps()
    _move(encoder, config.device)
    return encoder


def evaluation_encoders(config: EncoderConfig) -> list[Encoder]:
    """Speaker encoders that no loss and no condition uses."""
    kinds: dict[str, Callable[[], Encoder]] = {"resemblyzer": Resemblyzer, "eres2net": Eres2net}
    return [kinds[name]() for name in config.evaluation]


def computes_in_bfloat16() -> bool:
    """Whether this CPU has instructions for it; without them it is slower than float32."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def _move(encoder: nn.Module, device: str) -> None:
    try:
        encoder.to(device)
    except (RuntimeError, AssertionError) as error:
        raise EncoderError(f"encoders.device={device}: {str(error).splitlines()[0]}") from error
