"""Texts and tables that are damaged: only the row is rejected, and nothing is lost without a reason."""

from pathlib import Path

import pytest
import tiny_corpora
from tiny_corpora import config_of, speak

from thesis_lib.corpus.manifest import Manifest
from thesis_lib.corpus.one_language import prepare_recordings
from thesis_lib.corpus.readers.base import rows_of

DAMAGED = b"Se\xf1or"  # Latin-1


def damage(name: str, root: Path) -> str:
    """Put a byte that is not UTF-8 in the text of one utterance; its id."""
    if name == "common-voice":
        path, old, id = next(root.rglob("validated.tsv")), b'Dijo "hola" 1.', "common_voice_es_100"
    elif name == "vctk":
        path, old, id = root / "txt" / "p225" / "p225_001.txt", b"Please", "p225_001"
    elif name == "libritts-r":
        path, old, id = next(root.rglob("103_1241_000001_000000.normalized.txt")), b"Sentence", "103_1241_000001_000000"
    elif name == "librispeech":
        path, old, id = next(root.rglob("26-198.trans.txt")), b"CHAPTER", "26-198-0000"
    else:
        path, old, id = next(root.rglob("train/transcripts.txt")), b"noche", "10667_6706_000000"
    before = path.read_bytes()
    path.write_bytes(before.replace(old, DAMAGED, 1))
    assert path.read_bytes() != before
    return id


@pytest.mark.parametrize("name", ["common-voice", "vctk", "libritts-r", "librispeech", "mls-spanish"])
def test_a_text_that_is_not_utf_8_rejects_its_row_alone(name, tmp_path):
    root = tiny_corpora.make(name, tmp_path / "in")
    whole = {u.id for u in prepare_recordings(config_of(name, root), tmp_path / "whole")}
    id = damage(name, root)
    made = prepare_recordings(config_of(name, root), tmp_path / "out")
    assert (f"{name}-{id}", "malformed row") in [(r.id, r.reason) for r in made.rejects]
    assert {u.id for u in made} == whole - {f"{name}-{id}"}
    assert Manifest.load(made.folder).rejects == made.rejects


def test_a_users_text_that_is_not_utf_8_rejects_its_row_alone(people, tmp_path):
    (people / "ana" / "0.txt").write_bytes(DAMAGED)
    made = prepare_recordings(config_of("speakers", people), tmp_path / "out")
    assert [(r.id, r.reason) for r in made.rejects] == [("speakers-ana-0", "malformed row")]


def test_rows_end_at_line_feeds_alone(tmp_path):
    (tmp_path / "table").write_bytes("a\tone\u2028two\x85three\r\n\n\tno id\nb\n".encode())
    assert list(rows_of(tmp_path / "table", "\t")) == [["a", "one\u2028two\x85three"], ["b", ""]]


@pytest.mark.parametrize("name", ["librispeech", "mls-spanish", "speechocean762"])
def test_an_id_that_is_listed_twice_is_a_row_of_the_reject_table(name, tmp_path):
    root = tiny_corpora.make(name, tmp_path / "in")
    table = next(root.rglob({"librispeech": "26-198.trans.txt", "speechocean762": "train/wav.scp"}.get(
        name, "train/transcripts.txt")))  # fmt: skip
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines, lines[0]]))
    made = prepare_recordings(config_of(name, root), tmp_path / "out")
    assert [r.reason for r in made.rejects].count("duplicate") == 1


def test_two_recordings_never_have_one_id(people, tmp_path):
    seeds = {"ana/1.mp3": 90, "ana-b/c.wav": 91, "ana/b-c.wav": 92}
    for path, seed in seeds.items():
        speak(people / path, seed, 24_000)
    made = prepare_recordings(config_of("speakers", people), tmp_path / "out")
    assert made.rejects == []
    assert len(made) == 10 + 3
    ids = {u.id for u in made}
    assert {"speakers-ana-0", "speakers-ana-1", "speakers-ana-b-c"} <= ids  # the first of each keeps its id
    assert len({id for id in ids if id.startswith(("speakers-ana-1-", "speakers-ana-b-c-"))}) == 2
