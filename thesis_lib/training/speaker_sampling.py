"""Speaker sampling: training segments also synthesised for sampled target speakers, as in voice conversion.

In a corpus every sentence exists in one voice only, so no loss against a recording trains the vocoder for an unseen
speaker. Here a segment is also synthesised for a target speaker, drawn from the 7,205 training speakers of the speaker
encoder, each given by its prototype: the class centre of the encoder's additive angular margin (AAM) loss. A share of
the target speakers, ``training.recorded_share``, is drawn from the speakers of the training recordings instead: a
recording's embeddings are the condition, the mean direction of the speaker's embeddings is the prototype. There is no
recording to compare with, so three losses take its place: the speaker encoder's distance to the prototype, a speech
recogniser's features against those of the recording, and the discriminator. A fourth is optional: the emotion encoder's
distance to the emotion embedding that the generator was given.

Shapes: B batch, C content channels, T frames, S speaker embedding, E emotion embedding, P prototypes, n recordings.
References: the speaker loss on converted speech and the recogniser's features as a speech consistency loss,
StarGANv2-VC, Li et al. 2021, arXiv:2107.10394 (sec. 2.2); AAM, Deng et al. 2019, arXiv:1801.07698.
"""

import dataclasses
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from thesis_lib.audio.pitch import MAX_F0_HZ, MIN_F0_HZ, PITCH_CENTRE, PITCH_CHANNEL, PITCH_SCALE
from thesis_lib.embeddings.encoders.ecapa import speaker_prototypes
from thesis_lib.losses import EmbeddingConsistency
from thesis_lib.training.errors import TrainingError
from thesis_lib.training.segments import Batch, Segments

# Length of the random offset of a recording's embedding from its unit prototype: a cosine of 0.8 between the two.
SESSION_OFFSET = 0.75
CONTOUR_RANGE = tuple((math.log(f0) - PITCH_CENTRE) / PITCH_SCALE for f0 in (MIN_F0_HZ, MAX_F0_HZ))  # content units
MIN_VOICED_SUM = 1.0  # frames, weighted by voicing, that a segment's mean pitch needs


@dataclasses.dataclass(frozen=True)
class Targets:
    """Target speakers of the items of a batch."""

    prototypes: Tensor  # (B, S), unit length
    speaker: Tensor  # (B, S)
    emotion: Tensor  # (B, E)
    log_f0_medians: Tensor  # (B,) natural log of Hz

    def where(self, chosen: Tensor, others: "Targets") -> "Targets":
        """Take target speakers from here where ``chosen`` (B,) is true, else from ``others``."""
        rows = chosen.unsqueeze(1)
        return Targets(
            torch.where(rows, self.prototypes, others.prototypes),
            torch.where(rows, self.speaker, others.speaker),
            torch.where(rows, self.emotion, others.emotion),
            torch.where(chosen, self.log_f0_medians, others.log_f0_medians),
        )


class SpeakerSampler:
    """Draw target speakers, each at the log-F0 median of the most similar training recording, or of its own one.

    Raises ModelError where the prototypes cannot be had, TrainingError where recorded speakers are asked for and the
    training split has one speaker only.
    """

    def __init__(
        self, data: Segments, losses: dict[str, EmbeddingConsistency], device: torch.device | None = None
    ) -> None:
        self.losses = losses  # by the name of their weight; distances to the prototypes and to the emotion embeddings
        prototypes, medians = speaker_prototypes(), data.log_f0_medians()  # (P, S), unit length; (n,)
        similar = (prototypes @ F.normalize(data.speaker, dim=1).T).argmax(1)
        self.prototypes, self.log_f0_medians = prototypes.to(device), medians[similar].to(device)  # (P, S), (P,)
        self.embedding_norm = float(data.speaker.norm(dim=1).mean())  # a recording's embedding is not of unit length
        self.recorded_share = data.recipe.training.recorded_share
        self.recorded = RecordedSpeakers(data, medians, device) if self.recorded_share else None
        self._emotions = data.emotion  # (n, E)

    def sample(self, batch: Batch) -> tuple[Batch, Tensor]:
        """The batch for sampled target speakers, and their prototypes (B, S). Draws from torch's generator."""
        targets = self._class_centres(batch)
        if self.recorded is not None:
            chosen = torch.rand(len(batch.ids)) < self.recorded_share
            chosen = chosen.to(batch.content.device, non_blocking=True)
            targets = self.recorded.sample(batch.ids).where(chosen, targets)
        content = moved(batch.content, targets.log_f0_medians)
        sampled = dataclasses.replace(batch, content=content, speaker=targets.speaker, emotion=targets.emotion)
        return sampled, targets.prototypes

    def losses_of(self, estimate: Tensor, prototypes: Tensor, emotion: Tensor) -> dict[str, Tensor]:
        """Each active loss, a scalar, by name.

        (B, N) speech of the sampled target speakers, (B, S) their prototypes, and (B, E) the emotion embeddings that
        the generator was given.
        """
        targets = {"sampled_speaker": prototypes, "sampled_emotion": emotion}
        return {name: loss.towards(estimate, targets[name]) for name, loss in self.losses.items()}

    def _class_centres(self, batch: Batch) -> Targets:
        """Speakers of the encoder's; the emotion embedding is another item's, so that it does not identify them."""
        device = batch.content.device
        chosen = torch.randint(len(self.prototypes), (len(batch.ids),)).to(device, non_blocking=True)
        prototypes, medians = self.prototypes[chosen], self.log_f0_medians[chosen]
        offset = F.normalize(torch.randn(prototypes.shape), dim=1).to(device, non_blocking=True)
        speaker = self.embedding_norm * F.normalize(prototypes + SESSION_OFFSET * offset, dim=1)
        return Targets(prototypes, speaker, self._other_emotion(batch.emotion), medians)

    def _other_emotion(self, emotion: Tensor) -> Tensor:
        """(B, E) of the neighbouring item; for a batch of one, of another training recording."""
        if len(emotion) > 1:
            return emotion.roll(1, 0)
        others = self._emotions[(self._emotions != emotion.cpu()).any(1)]
        return others[torch.randint(len(others), (1,))].to(emotion.device) if len(others) else emotion


class RecordedSpeakers:
    """The speakers of the training recordings as target speakers of each other's segments."""

    def __init__(self, data: Segments, log_f0_medians: Tensor, device: torch.device | None = None) -> None:
        if len(data.speakers) < 2:
            raise TrainingError(
                "training.recorded_share needs two speakers in the training split, which has one: set it to 0"
            )
        unit = F.normalize(data.speaker, dim=1)
        means = torch.stack([unit[own].mean(0) for own in data.speakers])
        self.prototypes = F.normalize(means, dim=1).to(device)  # (speakers, S)
        self._speaker, self._emotion, self._medians = (
            x.to(device) for x in (data.speaker, data.emotion, log_f0_medians)
        )  # (n, S), (n, E), (n,)
        self._recordings = data.speakers
        self._speaker_of = {data.utterances[i].id: number for number, own in enumerate(data.speakers) for i in own}

    def sample(self, ids: list[str]) -> Targets:
        """For each utterance another speaker than its own, given by one of its recordings, drawn with equal chances."""
        count = len(self._recordings)
        own = torch.tensor([self._speaker_of[id] for id in ids])
        speakers = (own + 1 + torch.randint(count - 1, (len(ids),))) % count
        places = torch.rand(len(ids), dtype=torch.float64).tolist()
        lists = [self._recordings[speaker] for speaker in speakers.tolist()]
        rows = torch.tensor([own[int(place * len(own))] for own, place in zip(lists, places, strict=True)])
        speakers, rows = (x.to(self.prototypes.device, non_blocking=True) for x in (speakers, rows))
        return Targets(self.prototypes[speakers], self._speaker[rows], self._emotion[rows], self._medians[rows])


def moved(content: Tensor, medians: Tensor) -> Tensor:
    """Shift the log-F0 contour of (B, C, T) to the mean ``medians`` (B,), ln F0; an unvoiced segment stays as it is."""
    contour, voicing = content[:, PITCH_CHANNEL], content[:, PITCH_CHANNEL + 1]
    own = (contour * voicing).sum(1) / voicing.sum(1).clamp(min=1e-3)
    shift = torch.where(voicing.sum(1) > MIN_VOICED_SUM, (medians - PITCH_CENTRE) / PITCH_SCALE - own, 0.0)
    content = content.clone()
    content[:, PITCH_CHANNEL] = (contour + shift.unsqueeze(1)).clamp(*CONTOUR_RANGE)
    return content
