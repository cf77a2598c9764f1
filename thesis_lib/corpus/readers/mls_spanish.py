"""Multilingual LibriSpeech, Spanish: read Spanish of audio books, 16 kHz, the Ogg Opus edition.

Reference: Pratap et al. 2020, arXiv:2012.03411. Layout: openslr.org/94. The md5 is copied from another project's
source, a torchaudio dataset of MLS, and was not compared with the publisher's md5sum.txt.
"""

from collections.abc import Iterator
from pathlib import Path

from thesis_lib.corpus.manifest import Reject, is_plain_name
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

TOP = "mls_spanish_opus"


def read(root: Path) -> Iterator[CorpusRecording | Reject]:
    """The utterances of train, dev and test: SPLIT/transcripts.txt and SPLIT/audio/SPEAKER/BOOK/SPEAKER_BOOK_N.opus."""
    top = folder_of(root, "mls-spanish", TOP, "*/transcripts.txt")
    genders = genders_of(top / "metainfo.txt", "|", 3)  # one line for each chapter: speaker | gender | partition | …
    for transcript in sorted(top.glob("*/transcripts.txt")):
        split = official_split(transcript.parent.name)
        for id, text in rows_of(transcript, "\t"):
            speaker, _, rest = id.partition("_")
            book = rest.partition("_")[0]
            if not (book and is_plain_name(id)):
                yield Reject(id=id, split=split, reason="unsafe file name", detail=str(transcript))
                continue
            path = transcript.parent / "audio" / speaker / book / f"{id}.opus"
            yield CorpusRecording(id, split, speaker, path, text, genders.get(speaker, ""))


READER = Reader(
    name="mls-spanish",
    title="Multilingual LibriSpeech, Spanish",
    licence="Multilingual LibriSpeech, Spanish: CC BY 4.0 (Pratap et al. 2020).",
    citation="pratap2020mls",
    page="https://www.openslr.org/94",
    read=read,
    place=below(TOP),
    speaker_space="librispeech-",  # LibriVox's ids of its readers, as in LibriSpeech
    archives={
        "opus": Archive(
            "https://dl.fbaipublicfiles.com/mls/mls_spanish_opus.tar.gz", "a2c4b0ff02a71f10ddb21beffbe640ce"
        )
    },
)
