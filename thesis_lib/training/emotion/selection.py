"""Select the emotion encoder's head on held-out speakers and held-out sentences, by triplets with distractors."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch

from thesis_lib.embeddings.triplets import centroids, nearest_is_same, triplet_accuracy
from thesis_lib.training.emotion.features import Features
from thesis_lib.training.emotion.head import HeadRecipe, fit
from thesis_lib.utils.progress import Progress, silent

MAX_FOLDS = 5
RELEASED = "layers 0 to 3"
# Each is a short difference from the defaults of ``HeadRecipe``.
CANDIDATES: dict[str, HeadRecipe] = {
    RELEASED: HeadRecipe(),
    "layer 4 alone, the last one": HeadRecipe(layers=(4,)),
    "layers 3 and 4": HeadRecipe(layers=(3, 4)),
    "layers 1 and 2": HeadRecipe(layers=(1, 2)),
    "speaker offsets up to 3": HeadRecipe(speaker_offset=3.0),
    "no speaker offsets": HeadRecipe(speaker_offset=0.0),
    "no versions by another speaker": HeadRecipe(other_speakers=False),
    "emotion labels alone": HeadRecipe(contrastive=0.0),
    "contrastive loss alone": HeadRecipe(labels=0.0),
}
DISTRACTORS = {"speaker": ("speaker",), "text": ("sentence",), "speaker and text": ("speaker", "sentence")}
RANK_1 = "rank-1 speaker"


def select_candidate(
    acted: Features, reading: Features | None, candidates: Mapping[str, HeadRecipe], progress: Progress = silent
) -> tuple[str, list[dict]]:
    """Cross-validate every candidate -> the name of the best one, and a row each.

    The best has the highest mean of the three triplet accuracies. ``reading`` has recordings without emotions: every
    second speaker gives the speaker offsets, and the others are identified (lower is better), which decides nothing.
    """
    rows = []
    for name, recipe in progress(candidates.items(), len(candidates), "selection"):
        rows.append({"candidate": name, **cross_validated(acted, reading, recipe)})
    return max(rows, key=lambda row: np.mean([row[name] for name in DISTRACTORS]))["candidate"], rows


def cross_validated(acted: Features, reading: Features | None, recipe: HeadRecipe) -> dict[str, float]:
    """Means over the folds: triplet accuracy by distractor, recall of the nearest centroid, identification rate."""
    found, (readers, unseen) = [], divided(reading)
    for train, test in folds(acted):
        head = fit(acted.rows(train), recipe, readers)
        own = acted.rows(test)
        vectors = head_embeddings(head, own, recipe)
        row = {
            distractor: triplet_accuracy(vectors, own.emotion, {name: getattr(own, name) for name in names})
            for distractor, names in DISTRACTORS.items()
        }
        seen = acted.rows(train & (acted.version == 0))
        names, directions = centroids(head_embeddings(head, seen, recipe), seen.emotion)
        correct = names[(vectors @ directions.T).argmax(1)] == own.emotion
        row["recall"] = float(np.mean([correct[own.emotion == name].mean() for name in np.unique(own.emotion)]))
        if unseen is not None:
            vectors = head_embeddings(head, unseen, recipe)
            row[RANK_1] = float(nearest_is_same(vectors - vectors.mean(0), unseen.speaker).mean())
        found.append(row)
    return {name: float(np.mean([row[name] for row in found])) for name in found[0]}


def divided(reading: Features | None) -> tuple[Features | None, Features | None]:
    """The recordings of every second speaker, for training, and those of the others; None for None."""
    if reading is None:
        return None, None
    first = np.isin(reading.speaker, np.unique(reading.speaker)[::2])
    return reading.rows(first), reading.rows(~first)


def folds(features: Features) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield masks (n,) of training rows and of test rows, which share neither speakers nor sentences.

    Two speakers or more are held out at a time, and the one or the other half of the sentences; the recordings
    themselves are tested, not their augmented versions.
    """
    speakers, sentences = np.unique(features.speaker), np.unique(features.sentence)
    count = min(MAX_FOLDS, len(speakers) // 2)
    for number in range(count):
        speaker = np.isin(features.speaker, speakers[number::count])
        sentence = np.isin(features.sentence, sentences[number % 2 :: 2])
        yield ~speaker & ~sentence, speaker & sentence & (features.version == 0)


def head_embeddings(head: torch.nn.Module, features: Features, recipe: HeadRecipe) -> np.ndarray:
    """The embeddings of every row, (n, D)."""
    with torch.inference_mode():
        return head(torch.from_numpy(features.of(recipe.layers))).numpy()
