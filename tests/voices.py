"""The cosines by which an encoder tells two voices apart."""

import numpy as np

from thesis_lib.embeddings.encoders import embed


def cosines(encoder, voices) -> tuple[float, float]:
    """Lowest same-voice and highest different-voice cosine, across languages."""
    (a_es, a_en), (b_es, b_en) = ([embed(encoder, w, 16_000) for w in wavs] for wavs in voices.values())

    def cosine(x, y):
        return float(x @ y / np.linalg.norm(x) / np.linalg.norm(y))

    return min(cosine(a_es, a_en), cosine(b_es, b_en)), max(cosine(a_es, b_en), cosine(b_es, a_en))
