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
from thesis_lib.corpus.readers.base import Archive, Reader, Recording

__all__ = ["READERS", "Archive", "Reader", "Recording"]

MODULES = (librispeech, libritts_r, vctk, speechocean762, common_voice, mls_spanish, speakers)
READERS: dict[str, Reader] = {module.READER.name: module.READER for module in MODULES}
