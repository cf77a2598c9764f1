"""LibriTTS-R: LibriTTS with restored sound, read English at 24 kHz.

Reference: Koizumi et al. 2023, arXiv:2305.18802. Layout: openslr.org/141, LibriTTS (Zen et al. 2019, arXiv:1904.02882).
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
    transcript_of,
)

TOP = "LibriTTS_R"
SUBSETS = {
    "dev-clean": "2c1f5312914890634cc2d15783032ff3",
    "dev-other": "62d3a80ad8a282b6f31b3904f0507e4f",
    "test-clean": "4d373d453eb96c0691e598061bbafab7",
    "test-other": "dbc0959d8bdb6d52200595cabc9995ae",
    "train-clean-100": "6df668d8f5f33e70876bfa33862ad02b",
    "train-clean-360": "382eb3e64394b3da6a559f864339b22c",
    "train-other-500": "a37a8e9f4fe79d20601639bf23d1add8",
    "doc": None,  # the speakers' genders
}


def read(root: Path) -> Iterator[CorpusRecording]:
    """The utterances of every subset in ``root``: SUBSET/SPEAKER/CHAPTER/ID.wav, with ID.normalized.txt beside it."""
    top = folder_of(root, "libritts-r", TOP, "*/*/*/*.wav", "dev-clean")
    genders = genders_of(top / "speakers.tsv", "\t", 4)  # reader, gender, subset, name
    for path in sorted(top.glob("*/*/*/*.wav")):
        subset, speaker = path.parts[-4], path.parts[-3]
        text = transcript_of(path.with_suffix(".normalized.txt"))
        yield CorpusRecording(path.stem, official_split(subset), speaker, path, text, genders.get(speaker, ""))


READER = Reader(
    name="libritts-r",
    title="LibriTTS-R",
    licence="LibriTTS-R: CC BY 4.0 (Koizumi et al. 2023).",
    citation="koizumi2023librittsr",
    page="https://www.openslr.org/141",
    read=read,
    place=below(TOP),
    max_duration=36.0,
    speaker_space="librispeech-",  # LibriVox's ids of its readers, as in LibriSpeech
    archives={
        name: Archive(f"https://www.openslr.org/resources/141/{name.replace('-', '_')}.tar.gz", md5)
        for name, md5 in SUBSETS.items()
    },
)
