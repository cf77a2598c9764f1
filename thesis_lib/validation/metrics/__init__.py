"""Metrics, each by the field's standard code. One that cannot be computed raises MetricError with the reason."""

from thesis_lib.embeddings.similarity import cosine
from thesis_lib.validation.metrics.calibration import Calibration, Whitening, calibrate, normalised_similarity
from thesis_lib.validation.metrics.dnsmos import dnsmos
from thesis_lib.validation.metrics.draws import Groups, members_of
from thesis_lib.validation.metrics.errors import MetricError, PartlyMeasured
from thesis_lib.validation.metrics.intervals import (
    Bounded,
    Share,
    ShareDifference,
    Statistic,
    bootstrap,
    bounded_as,
    confidence_interval,
    crossed_bootstrap,
    mean_of,
    share_interval,
)
from thesis_lib.validation.metrics.leak import Leak, speaker_leak
from thesis_lib.validation.metrics.nisqa import nisqa
from thesis_lib.validation.metrics.plcmos import plcmos
from thesis_lib.validation.metrics.prosody import PROSODY, prosody
from thesis_lib.validation.metrics.recording import WIDEBAND, Recording
from thesis_lib.validation.metrics.separation import paired_triplet_accuracy, separation, separations
from thesis_lib.validation.metrics.signal import mcd, mcd_dtw, mel_l1, multi_resolution_stft, pesq, pitch_errors, stoi
from thesis_lib.validation.metrics.statistics import (
    acceptance_threshold,
    agreement,
    auc,
    correlation,
    correlation_of,
    equal_error_rate,
    holm,
    labelled_cosines,
    paired_test,
    slope_within,
)
from thesis_lib.validation.metrics.words import (
    HIGHEST_CORPUS_SCORE,
    character_errors,
    corpus_bleu,
    corpus_chrf,
    corpus_scorer,
    corpus_ter,
    normalise_text,
    signature,
    word_errors,
)

__all__ = [
    "HIGHEST_CORPUS_SCORE",
    "PROSODY",
    "WIDEBAND",
    "Bounded",
    "Calibration",
    "Groups",
    "Leak",
    "MetricError",
    "PartlyMeasured",
    "Recording",
    "Share",
    "ShareDifference",
    "Statistic",
    "Whitening",
    "acceptance_threshold",
    "agreement",
    "auc",
    "bootstrap",
    "bounded_as",
    "calibrate",
    "character_errors",
    "confidence_interval",
    "corpus_bleu",
    "corpus_chrf",
    "corpus_scorer",
    "corpus_ter",
    "correlation",
    "correlation_of",
    "cosine",
    "crossed_bootstrap",
    "dnsmos",
    "equal_error_rate",
    "holm",
    "labelled_cosines",
    "mcd",
    "mcd_dtw",
    "mean_of",
    "mel_l1",
    "members_of",
    "multi_resolution_stft",
    "nisqa",
    "normalise_text",
    "normalised_similarity",
    "paired_test",
    "paired_triplet_accuracy",
    "pesq",
    "pitch_errors",
    "plcmos",
    "prosody",
    "separation",
    "separations",
    "share_interval",
    "signature",
    "slope_within",
    "speaker_leak",
    "stoi",
    "word_errors",
]
