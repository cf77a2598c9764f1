"""A release of CVSS-T's size, names and layout, with a known number of defects of every kind in its tables.

The words are nonsense; what matters is that every row can be told from every other one.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from thesis_lib.corpus.cvss_t import Release
from thesis_lib.corpus.split import client_id

SIZES = {"train": 79_015, "dev": 13_221, "test": 13_221}  # CoVoST 2, es→en
OTHERS = 90_000  # rows of Common Voice that CoVoST does not have
SPEAKERS = 5_000
TEXT = 'él dijo "¿qué?" \\ y se fue, frase {}'
TRANSLATION = "he said and left sentence {}"
AGES, GENDERS = ("", "twenties", "thirties", "fifties"), ("", "male", "female", "other")


@dataclass
class Planted:
    """A release, and what must come of it."""

    release: Release
    rows: int = 0  # in CVSS's tables
    rejects: Counter = field(default_factory=Counter)  # reason -> rows


def name_of(number: int) -> str:
    """The Spanish clip's file name."""
    return f"common_voice_es_{19_000_000 + number}.mp3"


def plant(folder: Path, sizes: dict[str, int] | None = None, each: int = 40, seed: int = 0) -> Planted:
    """The three sources' tables, without recordings, below a folder. ``each`` rows of train have each defect."""
    rng = random.Random(seed)
    planted = Planted(Release.at(folder))
    release = planted.release
    release.cvss.mkdir(parents=True)
    release.common_voice.mkdir(parents=True)
    spoken, translated, number = [], [], 0
    for split, size in (sizes or SIZES).items():
        lines = []
        train = split == "train"
        for _ in range(size):
            number += 1
            # A hundred speakers have a third of the rows; no speaker of train is in dev or test.
            speaker = rng.randrange(100 if rng.random() < 0.3 else SPEAKERS)
            lines.append(_row(number, f"{train}{speaker}", split, rng, spoken, translated))
        if train:
            for kind in KINDS:
                for _ in range(each):
                    number += 1
                    row = _row(number, f"{train}{number}", split, rng, spoken, translated)
                    lines += KINDS[kind](row, spoken, translated)
                    planted.rejects[kind.split(",")[0]] += 1
            rng.shuffle(lines)
        lines.insert(0, b"path\ttranslation")
        planted.rejects["header line"] += 1
        planted.rows += len(lines)
        (release.cvss / f"{split}.tsv").write_bytes(b"\n".join(lines) + b"\n")
    for _ in range(OTHERS if sizes is None else 100):
        number += 1
        _row(number, f"other{rng.randrange(SPEAKERS)}", "train", rng, spoken, [])
    header = b"client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccent"
    (release.common_voice / "validated.tsv").write_bytes(b"\n".join([header, *map(b"\t".join, spoken)]) + b"\n")
    lines = [b"path\ttranslation\tsplit", *map(b"\t".join, translated)]
    release.covost.write_bytes(b"\n".join(lines) + b"\n")
    return planted


def _row(number: int, speaker: str, split: str, rng: random.Random, spoken: list, translated: list) -> bytes:
    """A good row: its line in CVSS's table, its cells in the other two."""
    name, text = name_of(number), TEXT.format(number)
    cells = [client_id(speaker), name, text, "2", "0", rng.choice(AGES), rng.choice(GENDERS), ""]
    spoken.append([cell.encode() for cell in cells])
    translated.append([name.encode(), TRANSLATION.format(number).encode(), split.encode()])
    return f"{name}\t{TRANSLATION.format(number)}".encode()


def _change(rows: list, **cells: bytes) -> None:
    """Change cells of the row that was added last."""
    for place, value in cells.items():
        rows[-1][int(place[1:])] = value


def _renamed(row: bytes, spoken: list, translated: list, old: bytes, new: bytes) -> list[bytes]:
    name = row.split(b"\t")[0].replace(old, new)
    _change(spoken, c1=name)
    _change(translated, c0=name)
    return [name + b"\t" + row.split(b"\t")[1]]


def _unspoken(row: bytes, spoken: list, translated: list) -> list[bytes]:
    spoken.pop()
    return [row]


def _untranslated(row: bytes, spoken: list, translated: list) -> list[bytes]:
    translated.pop()
    return [row]


def _changed(row: bytes, *changes: tuple[list, dict[str, bytes]]) -> list[bytes]:
    for rows, cells in changes:
        _change(rows, **cells)
    return [row]


# "reason, which": what a good row becomes in CVSS's table, its cells elsewhere changed.
KINDS = {
    "malformed row, one cell": lambda row, s, t: [row.replace(b"\t", b" ")],
    "malformed row, three cells": lambda row, s, t: [row + b"\tmore"],
    "malformed row, no UTF-8": lambda row, s, t: [row + b"\xff\xfe"],
    "malformed row, Spanish no UTF-8": lambda row, s, t: _changed(row, (s, {"c2": b"\xc3("})),
    "unsafe file name, above": lambda row, s, t: _renamed(row, s, t, b"common", b"../common"),
    "wrong corpus version, language": lambda row, s, t: _renamed(row, s, t, b"_es_", b"_fr_"),
    "wrong corpus version, format": lambda row, s, t: _renamed(row, s, t, b".mp3", b".ogg"),
    "duplicate, same": lambda row, s, t: [row, row],
    "no Common Voice row, any": _unspoken,
    "no CoVoST row, any": _untranslated,
    "split differs from CoVoST, dev": lambda row, s, t: _changed(row, (t, {"c2": b"dev"})),
    "no speaker, empty": lambda row, s, t: _changed(row, (s, {"c0": b""})),
    "empty text, English": lambda row, s, t: [row.split(b"\t")[0] + b"\t "],
    "empty text, Spanish": lambda row, s, t: _changed(row, (s, {"c2": b" "})),
}  # fmt: skip
