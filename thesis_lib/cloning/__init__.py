"""The voice-cloning pipeline: Spanish speech in, English speech out, in a voice that resembles the speaker's."""

from thesis_lib.audio.files import SUFFIXES
from thesis_lib.cloning.batch import TABLE, FolderSettings, clone_folder
from thesis_lib.cloning.build import build, with_kokoros_speech
from thesis_lib.cloning.checks import check_recordings, check_script, check_target
from thesis_lib.cloning.clauses import split_into_clauses
from thesis_lib.cloning.diarisation import AUTO, Diarisation, Turn, diarise
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.files import Adapter, Clone, Request, clone_file
from thesis_lib.cloning.live import check_live, clone_live
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.cloning.recording_speakers import (
    RecordingSpeakers,
    given_speakers,
    speakers_of_recording,
    target_speaker,
)
from thesis_lib.cloning.segments import SynthesisedSegment, TranslatedSegment, Translation, laid_out
from thesis_lib.cloning.signing import SigningKey, check_signing
from thesis_lib.cloning.speaker import Speaker, SpeakerAnalyser, average, between, combined_voice, dominant
from thesis_lib.cloning.speaker_windows import windows_of
from thesis_lib.cloning.voices import NEAREST, nearest_voice

__all__ = [
    "AUTO",
    "NEAREST",
    "SUFFIXES",
    "TABLE",
    "Adapter",
    "Clone",
    "CloningError",
    "Diarisation",
    "FolderSettings",
    "RecordingSpeakers",
    "Request",
    "SigningKey",
    "Speaker",
    "SpeakerAnalyser",
    "SynthesisedSegment",
    "TranslatedSegment",
    "Translation",
    "Turn",
    "VoiceCloningPipeline",
    "average",
    "between",
    "build",
    "check_live",
    "check_recordings",
    "check_script",
    "check_signing",
    "check_target",
    "clone_file",
    "clone_folder",
    "clone_live",
    "combined_voice",
    "diarise",
    "dominant",
    "given_speakers",
    "laid_out",
    "nearest_voice",
    "speakers_of_recording",
    "split_into_clauses",
    "target_speaker",
    "windows_of",
    "with_kokoros_speech",
]
