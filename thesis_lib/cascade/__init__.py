"""The voice-cloning pipeline: Spanish speech in, English speech out, in the speaker's voice."""

from thesis_lib.cascade.batch import TABLE, Batch, clone_folder
from thesis_lib.cascade.build import build
from thesis_lib.cascade.files import SUFFIXES, Clone, Request, check_target, clone_file
from thesis_lib.cascade.live import check_live, clone_live
from thesis_lib.cascade.matrix import OWN_MANNER, sample_matrix
from thesis_lib.cascade.pipeline import (
    Line,
    Passage,
    Translation,
    VoiceCloningPipeline,
    clauses,
    in_clauses,
    laid_out,
)
from thesis_lib.cascade.report import (
    HUMAN,
    KOKORO,
    KOKORO_NEAREST,
    OURS,
    OURS_ADAPTED,
    OURS_FIXED,
    OWN,
    SEVERAL,
    clone_report,
    clone_sample,
    summarise_clones,
)
from thesis_lib.cascade.speaker import Listener, Speaker, average, between, dominant, spoken_by
from thesis_lib.cascade.voices import NEAREST, nearest_voice

__all__ = [
    "HUMAN",
    "KOKORO",
    "KOKORO_NEAREST",
    "NEAREST",
    "OURS",
    "OURS_ADAPTED",
    "OURS_FIXED",
    "OWN",
    "OWN_MANNER",
    "SEVERAL",
    "TABLE",
    "SUFFIXES",
    "Batch",
    "Clone",
    "Line",
    "Listener",
    "Passage",
    "Request",
    "Speaker",
    "Translation",
    "VoiceCloningPipeline",
    "average",
    "between",
    "build",
    "check_live",
    "check_target",
    "clauses",
    "clone_file",
    "clone_folder",
    "clone_live",
    "clone_report",
    "clone_sample",
    "dominant",
    "in_clauses",
    "laid_out",
    "nearest_voice",
    "sample_matrix",
    "spoken_by",
    "summarise_clones",
]
