"""Cosine similarity of two embeddings."""

import numpy as np

from thesis_lib.utils.errors import MetricError


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two embeddings. MetricError for a zero vector."""
    if np.ndim(a) != 1 or np.shape(a) != np.shape(b):
        raise MetricError(f"embeddings of shapes {np.shape(a)} and {np.shape(b)} have no cosine: use one encoder")
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    if not 0 < norms < np.inf:
        raise MetricError("an embedding is zero or not finite: compute it again from audible speech")
    return float(np.dot(a, b) / norms)
