"""Fit the emotion encoder's head: emotion labels, and a contrastive loss across speakers.

Shapes: n rows, B rows of a batch, S statistics, D embedding size, L emotions.

Reference: supervised contrastive learning, Khosla et al. 2020, arXiv:2004.11362. Deviation: a positive is a recording
of the same emotion by another speaker only, and each positive is compared with the negatives alone, as a triplet is.

A few actors are too few speakers. To every row a random multiple of the difference of two other speakers' mean
statistics is added, so that the same emotion comes with many speakers' statistics (*speaker offsets*).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thesis_lib.embeddings.encoders.emotion import EmotionHead
from thesis_lib.training.emotion.features import SAME_SPEAKER, Features

MIN_SCALE = 1e-3  # of a statistic's standard deviation
WARM_UP_SHARE = 0.1  # of the steps, in which the learning rate rises


@dataclass(frozen=True)
class HeadRecipe:
    """How a head is trained; ``selection.CANDIDATES`` has the recipes that are compared."""

    layers: tuple[int, ...] = (0, 1, 2, 3)  # of Whisper's encoder; 0: the convolutions
    hidden: int = 128
    dim: int = 64  # D
    steps: int = 200
    batch_size: int = 192
    learning_rate: float = 1e-3  # at its highest
    weight_decay: float = 1e-2
    input_dropout: float = 0.5
    dropout: float = 0.4
    labels: float = 1.0  # weight of the cross-entropy with the emotion labels
    label_smoothing: float = 0.1
    logit_scale: float = 10.0  # of the cosines to the emotions' prototypes
    contrastive: float = 1.0  # weight of the contrastive loss
    temperature: float = 0.5
    other_speakers: bool = True  # train on the versions by another speaker too
    speaker_offset: float = 2.0  # largest multiple of the difference of two readers' means that is added
    seed: int = 0


def fit(features: Features, recipe: HeadRecipe, readers: Features | None = None) -> EmotionHead:
    """Train a head on the features -> the head, in eval mode. Deterministic for a seed on one thread.

    ``readers`` are the speakers of the speaker offsets; without them there are none.
    """
    if not recipe.other_speakers:
        features = features.rows(features.version <= SAME_SPEAKER)
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    x = torch.from_numpy(features.of(recipe.layers))
    emotion, speaker = (
        torch.from_numpy(np.unique(v, return_inverse=True)[1]) for v in (features.emotion, features.speaker)
    )
    head = EmotionHead(x.shape[1], recipe.hidden, recipe.dim, recipe.input_dropout, recipe.dropout)
    head.mean.copy_(x.mean(0))
    head.scale.copy_(x.std(0).clamp(min=MIN_SCALE))
    prototypes = nn.Parameter(F.normalize(torch.randn(int(emotion.max()) + 1, recipe.dim), dim=1))
    parameters = [*head.parameters(), prototypes]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.steps, pct_start=WARM_UP_SHARE
    )
    chances = 1 / np.bincount(emotion.numpy())[emotion.numpy()]  # every emotion as often as another
    means = torch.zeros(1, x.shape[1]) if readers is None else _speaker_means(readers, recipe.layers)
    for _ in range(recipe.steps):
        rows = torch.from_numpy(rng.choice(len(x), recipe.batch_size, p=chances / chances.sum()))
        first, second = rng.integers(0, len(means), (2, len(rows)))
        share = torch.from_numpy(rng.uniform(0, recipe.speaker_offset, (len(rows), 1))).float()
        vectors = head(x[rows] + share * (means[first] - means[second]))
        loss = _loss(vectors, prototypes, emotion[rows], speaker[rows], recipe)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return head.eval().requires_grad_(False)


def _speaker_means(readers: Features, layers: tuple[int, ...]) -> Tensor:
    """The mean statistics of each speaker, (speakers, S)."""
    x = readers.of(layers)
    return torch.from_numpy(np.stack([x[readers.speaker == name].mean(axis=0) for name in np.unique(readers.speaker)]))


def _loss(vectors: Tensor, prototypes: Tensor, emotion: Tensor, speaker: Tensor, recipe: HeadRecipe) -> Tensor:
    """Embeddings (B, D), prototypes (L, D), emotions and speakers (B,) -> the weighted sum of both losses."""
    logits = recipe.logit_scale * vectors @ F.normalize(prototypes, dim=1).T
    labels = F.cross_entropy(logits, emotion, label_smoothing=recipe.label_smoothing)
    return recipe.labels * labels + recipe.contrastive * contrastive(vectors, emotion, speaker, recipe.temperature)


def contrastive(vectors: Tensor, emotion: Tensor, speaker: Tensor, temperature: float) -> Tensor:
    """Unit vectors (B, D), emotions and speakers (B,) -> mean of -log(p / (p + sum of negatives)) over the positives.

    p is exp(cosine / temperature). 0 for a batch without a positive.
    """
    cosines = vectors @ vectors.T / temperature
    same = emotion[:, None] == emotion[None]
    positive = same & (speaker[:, None] != speaker[None])
    negatives = torch.logsumexp(cosines.masked_fill(same, -torch.inf), dim=1, keepdim=True)
    losses = F.softplus(negatives - cosines)
    return losses[positive].mean() if positive.any() else vectors.sum() * 0
