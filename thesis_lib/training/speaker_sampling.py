"""Speech in the voices of people who never said it: conversion as it will be used, in training already.

In a corpus every sentence stands in its own voice only, so nothing that is compared with a recording teaches what
an unknown voice sounds like. Here a segment is also rendered in the voice of a real person, drawn from the
7,205 that the speaker encoder learned to tell apart. There is no recording to compare with, but three things can be
asked of it: the encoder should hear that person, a speech recogniser the same words, a discriminator speech.

Shapes: B batch, S speaker embedding, P people. References: the speaker loss on converted speech, StarGANv2-VC, Li et
al. 2021, arXiv:2107.10394 (sec. 2.2); a recogniser's features for what is said, the same (speech consistency loss).
"""

import dataclasses
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from thesis_lib.audio.pitch import HIGHEST, LOWEST, PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.embeddings.encoders.ecapa import known_speakers
from thesis_lib.losses import EmbeddingConsistency
from thesis_lib.training.segments import Batch, Segments

# A recording's embedding lies about so far from its speaker's direction, per unit of that: a cosine of 0.8.
SESSION = 0.75
LEVELS = tuple((math.log(f0) - PITCH_CENTRE) / PITCH_SCALE for f0 in (LOWEST, HIGHEST))


class SpeakerSampler:
    """Voices to lend, each at the pitch of the training recording that sounds most like it.

    Raises ModelError where the speakers cannot be had.
    """

    def __init__(self, data: Segments, loss: EmbeddingConsistency) -> None:
        self.loss = loss  # how near speech in their voices comes to them
        self.directions = known_speakers()  # (P, S)
        alike = (self.directions @ F.normalize(data.speaker, dim=1).T).argmax(1)
        self.levels = data.pitch_levels()[alike]  # (P,) median of ln F0
        self.size = float(data.speaker.norm(dim=1).mean())  # the encoder's embeddings are not of unit length

    def sample(self, batch: Batch) -> tuple[Batch, Tensor]:
        """The batch in other voices, and whose they are (B, S).

        The style is another item's, so that it cannot tell the voice. Draws from torch's generator.
        """
        device = batch.content.device
        chosen = torch.randint(len(self.directions), (len(batch.ids),))
        targets, levels = self.directions[chosen].to(device), self.levels[chosen].to(device)
        session = F.normalize(torch.randn(targets.shape), dim=1).to(device)
        speaker = self.size * F.normalize(targets + SESSION * session, dim=1)
        content = moved(batch.content, levels)
        return dataclasses.replace(batch, content=content, speaker=speaker, emotion=batch.emotion.roll(1, 0)), targets


def moved(content: Tensor, levels: Tensor) -> Tensor:
    """(B, C, T) with its mean pitch at ``levels`` (B,), ln F0; what has no voiced frame stays."""
    contour, voicing = content[:, PITCH_CHANNEL], content[:, PITCH_CHANNEL + 1]
    own = (contour * voicing).sum(1) / voicing.sum(1).clamp(min=1e-3)
    shift = torch.where(voicing.sum(1) > 1, (levels - PITCH_CENTRE) / PITCH_SCALE - own, 0.0)
    content = content.clone()
    content[:, PITCH_CHANNEL] = (contour + shift.unsqueeze(1)).clamp(*LEVELS)
    return content
