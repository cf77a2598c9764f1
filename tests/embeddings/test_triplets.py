"""Triplets, identification and centroids on vectors that are made so that the answer is known."""

import numpy as np
import pytest

from thesis_lib.embeddings.triplets import centroid_cosines, nearest_is_same, triplet_accuracy
from thesis_lib.utils.errors import MetricError

LABELS, SPEAKERS, TEXTS = (np.array(x) for x in np.meshgrid(list("as"), list("123"), list("xy"), indexing="ij"))
LABELS, SPEAKERS, TEXTS = LABELS.ravel(), SPEAKERS.ravel(), TEXTS.ravel()


def one_hot(names: np.ndarray) -> np.ndarray:
    return (names[:, None] == np.unique(names)[None]).astype(float)


@pytest.mark.parametrize("distractors", [{}, {"speaker": SPEAKERS}, {"text": TEXTS}, {"s": SPEAKERS, "t": TEXTS}])
def test_an_embedding_of_the_label_decides_every_triplet_rightly(distractors):
    assert triplet_accuracy(one_hot(LABELS), LABELS, distractors) == 1


@pytest.mark.parametrize("distractor", [SPEAKERS, TEXTS])
def test_an_embedding_of_the_distractor_decides_every_triplet_wrongly(distractor):
    vectors = np.concatenate([one_hot(distractor), 0.1 * one_hot(LABELS)], axis=1)
    assert triplet_accuracy(vectors, LABELS, {"it": distractor}) == 0


def test_ties_count_one_half():
    assert triplet_accuracy(np.ones((len(LABELS), 3)), LABELS, {"speaker": SPEAKERS}) == 0.5


def test_the_accuracy_is_the_counted_one():
    """Every triplet of random vectors, counted one by one."""
    vectors = np.random.default_rng(0).normal(size=(len(LABELS), 5))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    everything, shares = range(len(LABELS)), []
    for a in everything:
        found = [
            units[a] @ units[p] > units[a] @ units[n]
            for p in everything
            for n in everything
            if LABELS[p] == LABELS[a] != LABELS[n] and SPEAKERS[p] != SPEAKERS[a] == SPEAKERS[n]
        ]
        shares.append(np.mean(found))
    assert triplet_accuracy(vectors, LABELS, {"speaker": SPEAKERS}) == pytest.approx(np.mean(shares))


def test_without_a_triplet_there_is_no_accuracy():
    with pytest.raises(MetricError, match="distractors text"):
        triplet_accuracy(one_hot(LABELS), LABELS, {"text": np.full(len(LABELS), "x")})


def test_identification_finds_the_speaker_where_the_vectors_have_it():
    assert nearest_is_same(one_hot(SPEAKERS), SPEAKERS).all()
    # One speaker's recordings lie on different axes, and another speaker has each of them too.
    vectors, speakers = np.tile(np.eye(3), (2, 1)), np.repeat([0, 1], 3)
    assert not nearest_is_same(vectors, speakers).any()
    with pytest.raises(MetricError, match="two recordings"):
        nearest_is_same(np.eye(3), np.arange(3))


def test_a_centroid_never_has_the_recordings_own_speaker():
    """Each speaker's vectors are their own axis: with it in the centroids every recording would be near to one."""
    names, cosines = centroid_cosines(one_hot(SPEAKERS), LABELS, SPEAKERS)
    assert names.tolist() == ["a", "s"]
    assert np.allclose(cosines, 0)
    names, cosines = centroid_cosines(one_hot(LABELS), LABELS, SPEAKERS)
    assert (names[cosines.argmax(1)] == LABELS).all()
    with pytest.raises(MetricError, match="two groups"):
        centroid_cosines(np.eye(3), np.array(["a", "a", "s"]), np.array(["1", "2", "2"]))


def test_a_copy_of_the_anchor_is_no_positive():
    """Rows of bootstraps that drew recordings twice: random vectors stay at chance on average."""
    rng, labels, shares = np.random.default_rng(0), np.arange(60) % 3, []
    for _ in range(100):
        vectors, drawn = rng.normal(size=(60, 20)), rng.integers(0, 60, 60)
        shares.append([triplet_accuracy(vectors[drawn], labels[drawn], {}, given) for given in (drawn, None)])
    without_copies, with_copies = np.mean(shares, axis=0)
    assert without_copies == pytest.approx(0.5, abs=0.01)
    assert with_copies > 0.52
