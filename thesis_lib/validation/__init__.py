"""Validation that a committee would accept: what is measured, against what, and what may be said of it."""

from thesis_lib.validation.columns import ALIGNED, Column, describe
from thesis_lib.validation.evidence import Evidence, Measured
from thesis_lib.validation.pairs import recordings, summarise_pairs, validate_pairs
from thesis_lib.validation.scoring import Scorers
from thesis_lib.validation.summary import (
    EVALUATION,
    LEVEL,
    PREDICTED,
    CircularScoring,
    agreements,
    calibrations,
    comparisons,
    headline,
    leaders,
    roles,
    single,
    summarise,
)
from thesis_lib.validation.systems import (
    GROUND_TRUTH,
    INVERSION,
    OTHER,
    OURS,
    PUBLISHED,
    SAME,
    Item,
    System,
    griffin_lim,
    systems_of,
)
from thesis_lib.validation.validate import SAMPLES, measure, sample_path, select, validate

__all__ = [
    "ALIGNED",
    "GROUND_TRUTH",
    "INVERSION",
    "EVALUATION",
    "LEVEL",
    "OTHER",
    "OURS",
    "PREDICTED",
    "PUBLISHED",
    "SAME",
    "SAMPLES",
    "CircularScoring",
    "Column",
    "Evidence",
    "Item",
    "Measured",
    "Scorers",
    "System",
    "agreements",
    "calibrations",
    "comparisons",
    "describe",
    "griffin_lim",
    "headline",
    "leaders",
    "measure",
    "recordings",
    "roles",
    "sample_path",
    "select",
    "single",
    "summarise",
    "systems_of",
    "summarise_pairs",
    "validate",
    "validate_pairs",
]
