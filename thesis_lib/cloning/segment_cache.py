"""Synthesised segments of a script on disk, so that only changed segments are synthesised again.

A file's name is the digest of everything that determines its samples. Samples are float32, as they were synthesised.
"""

import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from thesis_lib import __version__
from thesis_lib.cloning.diarisation import Turn
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.cloning.prosody import Prosody
from thesis_lib.cloning.recording_speakers import RecordingSpeakers
from thesis_lib.cloning.segments import Style, SynthesisedSegment, TranslatedSegment
from thesis_lib.cloning.speaker import Speaker
from thesis_lib.config import digest
from thesis_lib.utils.files import cached_fingerprint, replacing, write_text
from thesis_lib.vocoder.voice import Voice

# Settings of translation and of the output as a whole, and those that every segment has itself.
NOT_OF_SYNTHESIS = {"translator", "language", "examples", "style_strength", "background"}
EMBEDDINGS = ("speaker", "emotion")  # of a voice
VOICE_KEYS = ("voice", "prosody", "loudness", "recorded", "followed")  # of a speaker
SYNTHESIS_VERSION = 12  # increased when the same settings give other samples
CACHE_FILE = re.compile(r"[0-9a-f]{12}\.npz|speaker-[0-9a-f]{12}\.json")


def speaker_key(
    pipeline: VoiceCloningPipeline, recordings: Sequence[Path], voices: int, mix: float, speakers: int | str = 1
) -> str:
    """Digest of what determines the voices.

    That is the recordings, how many are of target speakers, the style mix, the encoders, and the settings that choose
    the speech that is translated.
    """
    analyser = pipeline.analyser
    encoders = [[encoder.name, encoder.revision] for encoder in (analyser.speaker_encoder, analyser.emotion_encoder)]
    several = [] if speakers == 1 else [speakers]
    files = [cached_fingerprint(path) for path in recordings]
    chosen = [pipeline.config.language, pipeline.config.translator]
    return digest([__version__, SYNTHESIS_VERSION, files, voices, mix, encoders, chosen, *several])


def _speaker(tree: dict) -> Speaker:
    """A speaker from its stored tree. KeyError, TypeError and ValueError for a damaged one."""
    voice, prosody, recorded = _voice(tree.pop("voice")), Prosody(**tree.pop("prosody")), tree.pop("recorded")
    found = Speaker(**tree, voice=voice, prosody=prosody, recorded=recorded and _voice(recorded))
    return replace(found, warnings=tuple(tree["warnings"]))


def _voice(tree: dict) -> Voice:
    return Voice(**(tree | {name: np.asarray(tree[name], np.float32) for name in EMBEDDINGS}))


def _listed(voice: Voice) -> dict:
    """The voice as a tree of numbers and lists."""
    return asdict(voice) | {name: x.tolist() for name, x in zip(EMBEDDINGS, voice.vectors(), strict=True)}


def _voice_digest(tree: dict) -> str:
    """Digest of what a speaker's stored tree gives to the samples: all except its warnings and the share of others."""
    return digest([SYNTHESIS_VERSION, __version__, {key: tree[key] for key in VOICE_KEYS}])


class SegmentCache:
    """The segments of one script in a folder. ``get`` marks what is used; ``prune`` removes everything else."""

    def __init__(self, folder: Path, speaker: str, source: str) -> None:
        """``speaker`` is the digest of what determines the voices, ``source`` the fingerprint of the recording."""
        self.folder, self.speaker, self.source = folder, speaker, source
        self._used: set[str] = set()
        self._voices: dict[str, str] = {}  # label -> digest of the voice, of the speakers that were read or stored

    def key(self, pipeline: VoiceCloningPipeline, translated: TranslatedSegment, vocoder: str) -> str:
        """Digest of the source and the place in it, the voice, the text, the style, the vocoder and all settings.

        Raises KeyError for a segment of a speaker that was neither read nor stored before.
        """
        config, place = pipeline.config, translated.segment
        excluded = dict.fromkeys(NOT_OF_SYNTHESIS, True) | config.unused()
        style = translated.style or Style(config.style_strength)
        settings = config.model_dump(mode="json", exclude=excluded)
        synthesizer = pipeline.synthesizer
        networks = [vocoder, type(synthesizer).__name__, getattr(synthesizer, "key", "")]
        voice = self._voices[place.speaker]
        return digest(
            [self.source, voice, networks, settings, place.start, place.end, translated.english, asdict(style)]
        )

    def has(self, key: str) -> bool:
        """Whether a segment is there, by the index of its file: its samples may still be damaged."""
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as stored:
                return {"content", "wav"} <= set(stored.files)
        except (OSError, ValueError, zipfile.BadZipFile, EOFError):
            return False

    def get(self, key: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Content (N,) and output (N',) of a segment; None where they are not there or the file is damaged."""
        self._used.add(f"{key}.npz")
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as stored:
                content, wav = stored["content"], stored["wav"]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile, EOFError):
            return None
        whole = all(x.ndim == 1 and x.dtype == np.float32 and np.isfinite(x).all() for x in (content, wav))
        return (content, wav) if whole else None

    def put(self, key: str, made: SynthesisedSegment) -> None:
        """Store a segment atomically."""
        self._used.add(f"{key}.npz")
        with replacing(self.folder / f"{key}.npz") as partial:
            np.savez(partial, content=made.content, wav=made.wav)

    def get_speakers(self) -> RecordingSpeakers | None:
        """The speakers that an earlier run has analysed; None where they are not there or damaged."""
        self._used.add(self._speaker_path.name)
        try:
            stored = json.loads(self._speaker_path.read_text(encoding="utf-8"))
            self._voices = {label: _voice_digest(tree) for label, tree in stored["speakers"].items()}
            speakers = {label: _speaker(tree) for label, tree in stored["speakers"].items()}
            return RecordingSpeakers(speakers, tuple(Turn(**turn) for turn in stored["turns"]), tuple(stored["notes"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def put_speakers(self, speakers: RecordingSpeakers) -> None:
        """Store the speakers atomically."""
        tree = asdict(speakers)
        tree["speakers"] = tree.pop("by_label")
        for label, speaker in speakers.by_label.items():
            tree["speakers"][label]["voice"] = _listed(speaker.voice)
            tree["speakers"][label]["recorded"] = speaker.recorded and _listed(speaker.recorded)
        text = json.dumps(tree)
        self._voices = {label: _voice_digest(tree) for label, tree in json.loads(text)["speakers"].items()}
        write_text(self._speaker_path, text)

    @property
    def _speaker_path(self) -> Path:
        return self.folder / f"speaker-{self.speaker}.json"

    def prune(self) -> None:
        """Remove the segments and voices that were neither read nor written; other files of the folder stay."""
        for path in self.folder.iterdir():
            if CACHE_FILE.fullmatch(path.name) and path.name not in self._used:
                path.unlink()
