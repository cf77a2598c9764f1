"""VCTK 0.92: 110 speakers of English with various accents, 48 kHz FLAC from two microphones.

Reference: Yamagishi, Veaux, MacDonald 2019, doi:10.7488/ds/2645. It has no official test split.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from thesis_lib.corpus.readers.base import Archive, CorpusRecording, Reader, folder_of, table_of, transcript_of

AUDIO = "wav48_silence_trimmed"
MICROPHONES = ("mic2", "mic1")  # the second is the better one; p280 and p315 have the first alone


def read(root: Path) -> Iterator[CorpusRecording]:
    """The utterances in ``root``: wav48_silence_trimmed/SPEAKER/ID_mic2.flac, or _mic1, and txt/SPEAKER/ID.txt."""
    top = folder_of(root, "vctk", "VCTK-Corpus-0.92", f"{AUDIO}/*/*_mic?.flac")
    speakers = top / "speaker-info.txt"  # "p225  23  F  English  Southern England"
    about = table_of(speakers, None, 4) if speakers.exists() else {}
    for folder in sorted(path for path in (top / AUDIO).iterdir() if path.is_dir()):
        age, gender, *_ = about.get(folder.name, ["", ""])
        for id in sorted({path.stem.rpartition("_")[0] for path in folder.glob("*_mic?.flac")}):
            takes = [folder / f"{id}_{microphone}.flac" for microphone in MICROPHONES]
            path = next((take for take in takes if take.exists()), takes[0])
            text = transcript_of(top / "txt" / folder.name / f"{id}.txt")  # none for p315
            yield CorpusRecording(id, "", folder.name, path, text, gender, age)


def _place(path: PurePosixPath) -> PurePosixPath | None:
    """The recordings, the texts and the table of speakers, wherever the archive has them."""
    for top in (AUDIO, "txt"):
        if top in path.parts[:-1]:
            return PurePosixPath(*path.parts[path.parts.index(top) :])
    return PurePosixPath(path.name) if path.name == "speaker-info.txt" else None


READER = Reader(
    name="vctk",
    title="VCTK 0.92",
    licence="VCTK 0.92: CC BY 4.0 (Yamagishi, Veaux, MacDonald 2019).",
    citation="yamagishi2019vctk",
    page="https://datashare.ed.ac.uk/handle/10283/3443",
    read=read,
    place=_place,
    max_duration=15.0,
    archives={
        "0.92": Archive(
            "https://datashare.ed.ac.uk/bitstream/handle/10283/3443/VCTK-Corpus-0.92.zip",
            "8a6ba2946b36fcbef0212cad601f4bfa",
        )
    },
    holds_test_split=False,
)
