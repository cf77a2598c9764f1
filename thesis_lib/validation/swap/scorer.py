"""The speaker scores of an output by one encoder: similarity, rank-1 identification, and acceptance.

Each speaker has a natural recording (the probe) and is enrolled by other recordings (the centroid of their
embeddings). Probes against centroids of other speakers are natural impostors, against the own centroid genuine trials.
Their mean cosines are the floor and the ceiling of the normalised similarity. A threshold is the cosine at which a
given share of the natural impostors is accepted (speaker verification; false-acceptance rate, ISO/IEC 19795-1:2021).
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from thesis_lib.embeddings.encoders import Encoder, embed
from thesis_lib.utils.parallel import map_on_cores
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.validation import metrics
from thesis_lib.validation.evaluation import Columns, OfRows
from thesis_lib.validation.swap.voices import SwapSpeaker

ACCEPTED = {"accepted_1": 0.01, "accepted_5": 0.05}  # column -> share of natural impostors that is accepted


class SpeakerScorer:
    """Compare outputs with enrolled speakers by one encoder.

    ``speakers`` give floor, ceiling and thresholds; ``others`` are enrolled beside them, as the voices of synthetic
    contents are: identification chooses among all. Raises AudioError and EncoderError as ``embed``.
    """

    def __init__(
        self,
        encoder: Encoder,
        speakers: Sequence[SwapSpeaker],
        rate: int,
        others: Sequence[SwapSpeaker] = (),
        progress: Progress = silent,
    ) -> None:
        self.encoder, self.rate = encoder, rate
        self._natural_names = {speaker.name for speaker in speakers}
        enrolled = [*speakers, *others]
        self.sexes = {speaker.name: speaker.sex for speaker in enrolled}
        centroids = progress(map_on_cores(self._centroid, enrolled), len(enrolled), f"enrol, {encoder.name}")
        names = [speaker.name for speaker in enrolled]
        self.centroids: dict[str, np.ndarray] = dict(zip(names, centroids, strict=True))
        self._places = {name: place for place, name in enumerate(self.centroids)}
        directions = np.stack(list(self.centroids.values()))
        self._directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        # Of the natural recording of each speaker (a row) to the enrolment of every voice (a column).
        self.natural = self.cosines_of({speaker.name: speaker.content for speaker in speakers})
        self.genuine, self.impostors = self.split(self.natural)
        self.floor, self.ceiling = float(np.mean(self.impostors)), float(np.mean(self.genuine))
        self.thresholds = thresholds(self.impostors)

    def _unit(self, wav: np.ndarray) -> np.ndarray:
        vector = embed(self.encoder, wav, self.rate)
        return vector / np.linalg.norm(vector)

    def _centroid(self, speaker: SwapSpeaker) -> np.ndarray:
        return np.mean([self._unit(wav) for wav in speaker.references], axis=0)

    def cosines_of(self, recordings: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Name -> (N,) of P recordings to (P, G) cosines, to the centroid of each of G enrolled speakers."""
        cosines = np.stack([self._directions @ unit for unit in map_on_cores(self._unit, recordings.values())])
        return pd.DataFrame(cosines, list(recordings), list(self.centroids))

    def split(self, cosines: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Cosines of recordings of P speakers -> (P,) to their own enrolment, (M,) to those of other speakers."""
        voices = [name for name in cosines if name in self._natural_names]
        own = cosines.index.to_numpy()[:, None] == np.array(voices)[None]
        found = cosines[voices].to_numpy()
        return found[own], found[~own]

    def score(self, wav: np.ndarray, target: SwapSpeaker, content: SwapSpeaker) -> Columns:
        """Cosines to the target speaker and to the content speaker, identification, acceptance, and what they rest on.

        ``identified``: the target is the nearest of all ``voices`` enrolled ones. ``accepted_…``: the cosine to the
        target reaches that threshold; NaN where ``impostor_pairs`` are too few for it.
        """
        return self.decide(self._directions @ self._unit(wav), target, content)

    def score_natural(self, speaker: SwapSpeaker) -> Columns:
        """The same columns of the speaker's natural recording; the cosine to a content speaker is NaN."""
        return self.decide(self.natural.loc[speaker.name].to_numpy(), speaker, None)

    def decide(self, cosines: np.ndarray, target: SwapSpeaker, content: SwapSpeaker | None) -> Columns:
        """The columns of ``score`` from the cosines (G,) of one recording."""
        to_target = float(cosines[self._places[target.name]])
        decisions = {column: accepted(to_target, threshold) for column, threshold in self.thresholds.items()}
        return {
            "to_target": to_target,
            "to_content": float(cosines[self._places[content.name]]) if content else np.nan,
            "floor": self.floor,
            "ceiling": self.ceiling,
            "identified": float(cosines.argmax() == self._places[target.name]),
            **decisions,
            "voices": len(cosines),
            "impostor_pairs": len(self.impostors),
        }


def thresholds(impostors: np.ndarray) -> dict[str, float]:
    """The threshold of each column of ``ACCEPTED``, from cosines of impostors (M,); NaN where they are too few."""
    found = {}
    for column, share in ACCEPTED.items():
        try:
            found[column] = metrics.acceptance_threshold(impostors, share)
        except metrics.MetricError:
            found[column] = np.nan
    return found


def accepted(cosine: float, threshold: float) -> float:
    """1 where the cosine reaches the threshold, else 0; NaN without a threshold."""
    return np.nan if np.isnan(threshold) else float(cosine >= threshold)


def speaker_statistics(part: pd.DataFrame) -> Mapping[str, metrics.Statistic | OfRows]:
    """The statistics of some rows of ``SpeakerScorer.score``, in the order of the tables.

    normalised_similarity (0: other speakers, 1: the same speaker), identified, accepted_1 and accepted_5 (shares),
    target_preference (share nearer to the target than to the content speaker), to_target, to_content (cosines). Of a
    table without identification and acceptance, which earlier versions wrote, the others alone.
    """
    normalised = metrics.normalised_similarity(part.to_target, part.floor, part.ceiling)
    found: dict[str, metrics.Statistic | OfRows] = {
        "normalised_similarity": metrics.mean_of(normalised.to_numpy(float))
    }
    if "identified" in part:
        found["identified"] = metrics.Share(part.identified.to_numpy() == 1)
        found |= {column: acceptance(part, column, share) for column, share in ACCEPTED.items()}
    found["target_preference"] = metrics.Share((part.to_target > part.to_content).to_numpy())
    return found | {name: metrics.mean_of(part[name].to_numpy(float)) for name in ("to_target", "to_content")}


def acceptance(part: pd.DataFrame, column: str, share: float, pairs_column: str = "impostor_pairs") -> OfRows:
    """The share of accepted rows, by the threshold of a share of as many impostor pairs as ``pairs_column`` has."""
    values = part[column].to_numpy(float)
    rows = np.flatnonzero(np.isfinite(values))
    if not len(rows):
        pairs = int(part[pairs_column].min())
        every = np.arange(len(values))
        return OfRows(every, reason=f"{pairs} impostor pairs give no threshold for a share of {share:g} of them")
    return OfRows(rows, metrics.Share(values[rows] == 1))
