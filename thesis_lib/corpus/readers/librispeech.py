"""LibriSpeech: read English of audio books, 16 kHz FLAC.

Reference: Panayotov et al. 2015, doi:10.1109/ICASSP.2015.7178964. Layout and checksums: openslr.org/12, md5sum.txt.
"""

from collections.abc import Iterator
from pathlib import Path

from thesis_lib.corpus.readers.base import (
    Archive,
    CorpusRecording,
    Reader,
    below,
    folder_of,
    genders_of,
    official_split,
    rows_of,
)

TOP = "LibriSpeech"
SUBSETS = {
    "dev-clean": "42e2234ba48799c1f50f24a7926300a1",
    "dev-other": "c8d0bcc9cca99d4f8b62fcc847357931",
    "test-clean": "32fa31d27d2e1cad72775fee3f4849a9",
    "test-other": "fb5a50374b501bb3bac4815ee91d3135",
    "train-clean-100": "2a93770f6d5c6c964bc36631d331a522",
    "train-clean-360": "c0e676e450a7ff2f54aeade5171606fa",
    "train-other-500": "d1a0fd59409feb2c614ce4d30c387708",
}


def read(root: Path) -> Iterator[CorpusRecording]:
    """The utterances of every subset in ``root``: SUBSET/SPEAKER/CHAPTER/SPEAKER-CHAPTER.trans.txt and .flac files."""
    top = folder_of(root, "librispeech", TOP, "*/*/*/*.trans.txt", "dev-clean")
    # "14 | F | train-clean-360 | 25.03 | name", and comments that begin with ";"
    genders = genders_of(top / "SPEAKERS.TXT", "|", 5)
    for transcript in sorted(top.glob("*/*/*/*.trans.txt")):
        subset, speaker = transcript.parts[-4], transcript.parts[-3]
        for id, text in rows_of(transcript):
            path = transcript.with_name(f"{id}.flac")
            yield CorpusRecording(id, official_split(subset), speaker, path, text, genders.get(speaker, ""))


READER = Reader(
    name="librispeech",
    title="LibriSpeech",
    licence="LibriSpeech: CC BY 4.0 (Panayotov et al. 2015).",
    citation="panayotov2015librispeech",
    page="https://www.openslr.org/12",
    read=read,
    place=below(TOP),
    max_duration=36.0,
    speaker_space="librispeech-",  # LibriVox's ids of its readers
    archives={
        name: Archive(f"https://www.openslr.org/resources/12/{name}.tar.gz", md5) for name, md5 in SUBSETS.items()
    },
)
