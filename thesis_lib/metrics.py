"""Metrics of one utterance, each by the field's standard code, and the bootstrap over utterances.

A metric that cannot be computed raises MetricError with the reason; none returns a default.
Signals are (N,) float32 at the same rate, estimate first and reference second.
"""

import functools
import re
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch

from thesis_lib.audio import SILENCE, LogMel, resample
from thesis_lib.errors import ThesisError

WIDEBAND = 16_000  # Hz, what PESQ-wb and DNSMOS are defined for


class MetricError(ThesisError):
    """A metric that could not be measured, and why."""


def _demand_signal(wav: np.ndarray, sample_rate: int | None = None) -> None:
    if np.ndim(wav) != 1 or not len(wav):
        raise MetricError(f"a signal is empty or not mono: its shape is {np.shape(wav)}, (N,) is needed")
    if not np.isfinite(wav).all():
        raise MetricError("a signal is not finite")
    if sample_rate is not None and not sample_rate > 0:
        raise MetricError(f"{sample_rate} Hz is no sample rate")


def _demand_pair(estimate: np.ndarray, reference: np.ndarray, sample_rate: int | None = None) -> None:
    for wav in (estimate, reference):
        _demand_signal(wav, sample_rate)
    if len(estimate) != len(reference):
        raise MetricError(f"{len(estimate)} samples against {len(reference)}: the signals are not aligned")
    # A silent estimate is a bad one, and counts as such; a silent reference tells nothing.
    if not np.abs(reference).max() >= SILENCE:
        raise MetricError("the reference is silent")


def _demand_scores(*groups: np.ndarray, what: str) -> None:
    if not all(np.size(group) for group in groups):
        raise MetricError(f"{what} needs pairs of both kinds")
    if not all(np.isfinite(group).all() for group in groups):
        raise MetricError(f"{what}: a score is not finite")


def _measured(value: float, what: str) -> float:
    if not np.isfinite(value):
        raise MetricError(f"{what} gave {value}")
    return float(value)


@torch.inference_mode()
def mel_l1(estimate: np.ndarray, reference: np.ndarray, log_mel: LogMel) -> float:
    """Mean absolute difference of the project's log-mels, in nepers."""
    _demand_pair(estimate, reference)
    a, b = (log_mel(torch.from_numpy(np.ascontiguousarray(x)).unsqueeze(0)) for x in (estimate, reference))
    return float((a - b).abs().mean())


def mcd(estimate: np.ndarray, reference: np.ndarray, sample_rate: int) -> float:
    """Mel-cepstral distortion in dB, pymcd's plain mode (WORLD envelope, order 13, no time warping)."""
    _demand_pair(estimate, reference, sample_rate)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("reference.wav", "estimate.wav")]
        for path, wav in zip(paths, (reference, estimate), strict=True):
            soundfile.write(path, wav, sample_rate, subtype="FLOAT")
        return _measured(_pymcd().calculate_mcd(*paths), "MCD")


@functools.cache
def _pymcd():
    from pymcd.mcd import Calculate_MCD

    return Calculate_MCD(MCD_mode="plain")


def pesq(estimate: np.ndarray, reference: np.ndarray, sample_rate: int) -> float:
    """PESQ wideband (ITU-T P.862.2) at 16 kHz, MOS-LQO. MetricError where PESQ finds no speech."""
    from pesq import PesqError
    from pesq import pesq as score

    _demand_pair(estimate, reference, sample_rate)
    a, b = (resample(x, sample_rate, WIDEBAND) for x in (estimate, reference))
    try:
        return _measured(score(WIDEBAND, b, a, "wb"), "PESQ")
    except (PesqError, ValueError) as error:
        raise MetricError(f"PESQ: {error}") from error


def dnsmos(wav: np.ndarray, sample_rate: int) -> dict[str, float]:
    """DNSMOS P.835 overall and P.808 (Reddy et al. 2022, arXiv:2110.01763): predicted MOS, no reference."""
    from speechmos import dnsmos as predictor

    _demand_signal(wav, sample_rate)
    if not np.abs(wav).max() >= SILENCE:
        raise MetricError("the signal is silent: DNSMOS rates speech")
    scores = predictor.run(np.clip(resample(wav, sample_rate, WIDEBAND), -1, 1), WIDEBAND)
    return {
        name: _measured(scores[key], "DNSMOS")
        for name, key in (("dnsmos_ovrl", "ovrl_mos"), ("dnsmos_p808", "p808_mos"))
    }


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two embeddings. MetricError for a zero vector."""
    if np.ndim(a) != 1 or np.shape(a) != np.shape(b):
        raise MetricError(f"embeddings of shapes {np.shape(a)} and {np.shape(b)} have no cosine")
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    if not 0 < norms < np.inf:
        raise MetricError("an embedding is zero or not finite")
    return float(np.dot(a, b) / norms)


def normalise_text(text: str, language: str = "en") -> str:
    """Lower case, numbers in words, no punctuation: applied to both sides of every word metric.

    Without it, CVSS es-en scores about 9 BLEU instead of about 24.
    """
    from num2words import num2words

    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"\d+", lambda m: f" {num2words(int(m.group()), lang=language)} ", text)
    return " ".join(re.sub(r"[^\w\s']", " ", text).split())


def word_errors(heard: str, reference: str, language: str = "en") -> tuple[int, int]:
    """Substitutions + deletions + insertions, and words of the reference, after normalisation."""
    import jiwer

    reference = normalise_text(reference, language)
    if not reference:
        raise MetricError("the reference text holds no words")
    counts = jiwer.process_words(reference, normalise_text(heard, language))
    return counts.substitutions + counts.deletions + counts.insertions, len(reference.split())


def corpus_bleu(heard: list[str], references: list[str]) -> float:
    """BLEU of a corpus (sacrebleu, 13a, both sides normalised), 0..100."""
    import sacrebleu

    sides = [[normalise_text(text) for text in texts] for texts in (heard, references)]
    if not sides[1] or len(heard) != len(references) or not all(sides[1]):
        raise MetricError(f"BLEU of {len(heard)} texts against {len(references)}: one each is needed, and none empty")
    return sacrebleu.corpus_bleu(sides[0], [sides[1]]).score


def bootstrap(
    count: int, statistic: Callable[[np.ndarray], float], resamples: int, seed: int
) -> tuple[float, float, float]:
    """(value, low, high): the statistic of all utterances and its 95 % percentile bootstrap interval.

    ``statistic`` takes indices (n,) into the utterances. Efron & Tibshirani 1993, ch. 13. MetricError when it is not
    finite for some of them.
    """
    if count < 2:
        raise MetricError(f"{count} utterances give no interval")
    rng = np.random.default_rng(seed)

    def measured(indices: np.ndarray) -> float:
        return _measured(statistic(indices), "the bootstrapped statistic")

    draws = [measured(rng.integers(0, count, count)) for _ in range(resamples)]
    low, high = np.percentile(draws, [2.5, 97.5])
    return measured(np.arange(count)), float(low), float(high)


def labelled_cosines(
    a: np.ndarray, b: np.ndarray, labels: np.ndarray, apart: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of every row of a (n, D) with every row of b (n, D): those of equal labels, and the others.

    With ``apart`` (n,), only pairs that differ in it count (styles compared across speakers, say).
    """
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b)]
    cosines = unit[0] @ unit[1].T
    same = labels[:, None] == labels[None, :]
    counted = np.ones_like(same) if apart is None else apart[:, None] != apart[None, :]
    return cosines[same & counted], cosines[~same & counted]


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive lies above a negative. 0.5 is chance."""
    from scipy.stats import mannwhitneyu

    _demand_scores(positive, negative, what="AUC")
    return float(mannwhitneyu(positive, negative).statistic / (len(positive) * len(negative)))


def equal_error_rate(same: np.ndarray, different: np.ndarray) -> float:
    """Where misses (same below the threshold) and false alarms (different at or above it) are equally frequent."""
    _demand_scores(same, different, what="EER")
    thresholds = np.unique(np.concatenate([same, different]))
    misses = np.searchsorted(np.sort(same), thresholds) / len(same)
    alarms = 1 - np.searchsorted(np.sort(different), thresholds) / len(different)
    nearest = np.argmin(np.abs(misses - alarms))
    return float((misses[nearest] + alarms[nearest]) / 2)
