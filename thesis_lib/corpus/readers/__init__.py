"""Readers of the corpora of one language, one file each: licence, official archives with checksums, and layout."""

from thesis_lib.corpus.readers import (
    common_voice,
    librispeech,
    libritts_r,
    mls_spanish,
    speakers,
    speechocean762,
    vctk,
)
from thesis_lib.corpus.readers.base import Archive, CorpusRecording, Reader

__all__ = ["READERS", "Archive", "CorpusRecording", "Reader", "registered_id", "speaker_identity"]

MODULES = (librispeech, libritts_r, vctk, speechocean762, common_voice, mls_spanish, speakers)
READERS: dict[str, Reader] = {module.READER.name: module.READER for module in MODULES}


def speaker_identity(speaker: str) -> str:
    """The id by which a speaker's split is drawn and compared."""
    return registered_id(speaker) or speaker


def registered_id(speaker: str) -> str | None:
    """The same id for a person in every corpus with ids of one register; None for a corpus without a register.

    LibriSpeech, LibriTTS-R and MLS have LibriVox's ids of its readers; Common Voice and CVSS-T have one client id.
    """
    for reader in READERS.values():
        if reader.speaker_space is not None and speaker.startswith(f"{reader.name}-"):
            return reader.speaker_space + speaker.removeprefix(f"{reader.name}-")
    return None
