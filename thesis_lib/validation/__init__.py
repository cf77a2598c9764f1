"""Evaluation: test sets, systems and scorers; validation, speaker swap, cloning report, ablation, listening test."""

from thesis_lib.validation.columns import ALIGNED, WORDS, Column, describe
from thesis_lib.validation.evaluation import Results, Scorer, System, TestSet, evaluate
from thesis_lib.validation.measurements import Measured, Measurements
from thesis_lib.validation.pairs import pair_recordings, summarise_pairs, validate_pairs
from thesis_lib.validation.roles import EVALUATION, CircularScoring, Roles, circular, headline
from thesis_lib.validation.scoring import Scorers, require_metric
from thesis_lib.validation.summary import (
    PREDICTED,
    SIGNIFICANCE_LEVEL,
    agreements,
    calibrations,
    comparisons,
    correct_hypotheses,
    single,
    summarise,
    winners,
)
from thesis_lib.validation.systems import (
    GROUND_TRUTH,
    INVERSION,
    OTHER,
    OURS,
    PUBLISHED,
    SAME,
    ValidationItem,
    ValidationSystem,
    griffin_lim,
    systems_of,
    vocoder_system,
)
from thesis_lib.validation.validate import SAVED_UTTERANCES, measure, sample_path, select, validate

__all__ = [
    "ALIGNED",
    "GROUND_TRUTH",
    "INVERSION",
    "EVALUATION",
    "SIGNIFICANCE_LEVEL",
    "OTHER",
    "OURS",
    "PREDICTED",
    "PUBLISHED",
    "SAME",
    "SAVED_UTTERANCES",
    "WORDS",
    "CircularScoring",
    "Column",
    "Measurements",
    "Measured",
    "Results",
    "Roles",
    "Scorer",
    "Scorers",
    "System",
    "TestSet",
    "ValidationItem",
    "ValidationSystem",
    "agreements",
    "calibrations",
    "circular",
    "comparisons",
    "correct_hypotheses",
    "require_metric",
    "describe",
    "evaluate",
    "griffin_lim",
    "headline",
    "winners",
    "measure",
    "pair_recordings",
    "sample_path",
    "select",
    "single",
    "summarise",
    "systems_of",
    "summarise_pairs",
    "validate",
    "validate_pairs",
    "vocoder_system",
]
