"""The voice-cloning pipeline: Spanish speech in, English speech out, in the speaker's voice."""

from thesis_lib.cloning.batch import TABLE, Batch, clone_folder
from thesis_lib.cloning.build import build
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.files import SUFFIXES, Clone, Request, check_target, clone_file
from thesis_lib.cloning.live import check_live, clone_live
from thesis_lib.cloning.pipeline import (
    SynthesisedSegment,
    TranslatedSegment,
    Translation,
    VoiceCloningPipeline,
    clauses,
    laid_out,
    split_into_clauses,
)
from thesis_lib.cloning.speaker import Speaker, SpeakerAnalyser, average, between, dominant, spoken_by
from thesis_lib.cloning.voices import NEAREST, nearest_voice

__all__ = [
    "NEAREST",
    "TABLE",
    "SUFFIXES",
    "Batch",
    "Clone",
    "CloningError",
    "TranslatedSegment",
    "SpeakerAnalyser",
    "SynthesisedSegment",
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
    "dominant",
    "split_into_clauses",
    "laid_out",
    "nearest_voice",
    "spoken_by",
]
