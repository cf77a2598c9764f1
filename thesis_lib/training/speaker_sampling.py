"""Speaker sampling: training segments also synthesised for sampled target speakers, as in voice conversion.

In a corpus every sentence exists in one voice only, so no loss against a recording trains the vocoder for an unseen
speaker. Here a segment is also synthesised for a target speaker, drawn from the 7,205 training speakers of the speaker
encoder, each given by its prototype: the class centre of the encoder's additive angular margin (AAM) loss. There is no
recording to compare with, so three losses take its place: the speaker encoder's distance to the prototype, a speech
recogniser's features against those of the recording, and the discriminator.

Shapes: B batch, C content channels, T frames, S speaker embedding, E emotion embedding, P prototypes. References: the
speaker loss on converted speech and the recogniser's features as a speech consistency loss, StarGANv2-VC, Li et al.
2021, arXiv:2107.10394 (sec. 2.2); AAM, Deng et al. 2019, arXiv:1801.07698.
"""

import dataclasses
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from thesis_lib.audio.pitch import MAX_F0_HZ, MIN_F0_HZ, PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.embeddings.encoders.ecapa import known_speakers
from thesis_lib.losses import EmbeddingConsistency
from thesis_lib.training.segments import Batch, Segments

# Length of the random offset of a recording's embedding from its unit prototype: a cosine of 0.8 between the two.
SESSION_OFFSET = 0.75
CONTOUR_RANGE = tuple((math.log(f0) - PITCH_CENTRE) / PITCH_SCALE for f0 in (MIN_F0_HZ, MAX_F0_HZ))  # content units
MIN_VOICED_SUM = 1.0  # frames, weighted by voicing, that a segment's mean pitch needs


class SpeakerSampler:
    """Draw target speakers, each at the log-F0 median of the most similar training recording.

    Raises ModelError where the prototypes cannot be had.
    """

    def __init__(self, data: Segments, loss: EmbeddingConsistency) -> None:
        self.loss = loss  # distance of the synthesised speech to the prototypes
        self.prototypes = known_speakers()  # (P, S), unit length
        similar = (self.prototypes @ F.normalize(data.speaker, dim=1).T).argmax(1)
        self.log_f0_medians = data.log_f0_medians()[similar]  # (P,)
        self.embedding_norm = float(data.speaker.norm(dim=1).mean())  # a recording's embedding is not of unit length
        self._emotions = data.emotion  # (n, E)

    def sample(self, batch: Batch) -> tuple[Batch, Tensor]:
        """The batch for sampled target speakers, and their prototypes (B, S).

        The emotion embedding is another item's, so that it does not identify the speaker. Draws from torch's generator.
        """
        device = batch.content.device
        chosen = torch.randint(len(self.prototypes), (len(batch.ids),))
        targets, medians = self.prototypes[chosen].to(device), self.log_f0_medians[chosen].to(device)
        offset = F.normalize(torch.randn(targets.shape), dim=1).to(device)
        speaker = self.embedding_norm * F.normalize(targets + SESSION_OFFSET * offset, dim=1)
        content, emotion = moved(batch.content, medians), self._other_emotion(batch.emotion)
        return dataclasses.replace(batch, content=content, speaker=speaker, emotion=emotion), targets

    def _other_emotion(self, emotion: Tensor) -> Tensor:
        """(B, E) of the neighbouring item; for a batch of one, of another training recording."""
        if len(emotion) > 1:
            return emotion.roll(1, 0)
        others = self._emotions[(self._emotions != emotion.cpu()).any(1)]
        return others[torch.randint(len(others), (1,))].to(emotion.device) if len(others) else emotion


def moved(content: Tensor, medians: Tensor) -> Tensor:
    """Shift the log-F0 contour of (B, C, T) to the mean ``medians`` (B,), ln F0; an unvoiced segment stays as it is."""
    contour, voicing = content[:, PITCH_CHANNEL], content[:, PITCH_CHANNEL + 1]
    own = (contour * voicing).sum(1) / voicing.sum(1).clamp(min=1e-3)
    shift = torch.where(voicing.sum(1) > MIN_VOICED_SUM, (medians - PITCH_CENTRE) / PITCH_SCALE - own, 0.0)
    content = content.clone()
    content[:, PITCH_CHANNEL] = (contour + shift.unsqueeze(1)).clamp(*CONTOUR_RANGE)
    return content
