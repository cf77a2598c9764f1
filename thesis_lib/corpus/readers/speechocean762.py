"""speechocean762: English of 250 native speakers of Mandarin, adults and children, 16 kHz.

Reference: Zhang et al. 2021, arXiv:2104.01378. Layout: openslr.org/101, which publishes no checksum.
"""

from collections.abc import Iterator
from pathlib import Path

from thesis_lib.corpus.manifest import Reject
from thesis_lib.corpus.readers.base import (
    Archive,
    CorpusRecording,
    Reader,
    below,
    folder_of,
    official_split,
    rows_of,
    table_of,
)

TOP = "speechocean762"


def read(root: Path) -> Iterator[CorpusRecording | Reject]:
    """The utterances that train/ and test/ list in wav.scp, text, utt2spk, spk2gender and spk2age."""
    top = folder_of(root, "speechocean762", TOP, "*/wav.scp")
    for listed in sorted(top.glob("*/wav.scp")):
        tables = {
            name: {id: cells[0] for id, cells in table_of(listed.with_name(name)).items()}
            for name in ("text", "utt2spk", "spk2gender", "spk2age")
        }
        split = official_split(listed.parent.name)
        for id, file in rows_of(listed):
            speaker = tables["utt2spk"].get(id, "")
            if not speaker:
                yield Reject(id=id, split=split, reason="no speaker", detail=str(listed.with_name("utt2spk")))
                continue
            gender, age = tables["spk2gender"].get(speaker, ""), tables["spk2age"].get(speaker, "")
            yield CorpusRecording(id, split, speaker, top / file, tables["text"].get(id, ""), gender, age)


READER = Reader(
    name="speechocean762",
    title="speechocean762",
    licence="speechocean762: free for commercial and non-commercial use by its README; CC BY 4.0 (Zhang et al. 2021).",
    citation="zhang2021speechocean762",
    page="https://www.openslr.org/101",
    read=read,
    place=below(TOP),
    max_duration=20.0,
    archives={"all": Archive("https://www.openslr.org/resources/101/speechocean762.tar.gz")},
)
