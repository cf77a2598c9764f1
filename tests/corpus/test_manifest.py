import json
import os
import signal
import time

import pyarrow
import pytest
from canaries import case
from pyarrow import parquet

from thesis_lib.corpus import manifest
from thesis_lib.corpus.manifest import Manifest, ManifestError, Reject, Utterance
from thesis_lib.utils.files import sha256


def utterance(id: str, split: str = "train", speaker: str = "a") -> Utterance:
    return Utterance(
        id=id,
        split=split,
        speaker=speaker,
        source_audio="s.wav",
        target_audio="t.wav",
        source_text='«¿Qué?» "sí"\\n',
        target_text="what",
        source_duration=3.5,
        target_duration=4.0,
    )


def test_round_trip_keeps_everything(tmp_path):
    made = Manifest(
        tmp_path,
        [utterance("b"), utterance("a")],
        [Reject(id="c", split="train", reason="silence", detail="x\u2028y\x85")],
    )
    made.save()
    read = Manifest.load(tmp_path)
    assert read.utterances == made.utterances
    assert [u.id for u in read] == ["a", "b"]
    assert read.rejects == made.rejects
    assert read.table().shape == (2, 15)


def test_a_speaker_in_two_splits_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="speaker"):
        Manifest(tmp_path, [utterance("a"), utterance("b", "test")])


def test_a_repeated_id_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="listed twice"):
        Manifest(tmp_path, [utterance("a"), utterance("a")])


def test_many_utterances_are_many_files_and_the_same_bytes_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr(manifest, "MAX_SHARD_ROWS", 3)
    rows = [utterance(f"u{i}") for i in range(8)]
    for name in ("one", "two"):
        Manifest(tmp_path / name, rows).save()
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert [path.name for path in files if path.suffix == ".parquet"] == [
        f"part-0000{i}-of-00003.parquet" for i in range(3)
    ]
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in files)
    assert Manifest.load(tmp_path / "one").utterances == rows
    # Anybody's tools read it.
    table = parquet.read_table(tmp_path / "one" / "manifest")
    assert table.column_names == list(Utterance.model_fields)
    assert table["id"].to_pylist() == [row.id for row in rows]


def spoilt(folder, change):
    """A manifest with a changed first shard and an index that fits it again."""
    Manifest(folder, [utterance("a"), utterance("b")]).save()
    path = folder / "manifest" / "part-00000-of-00001.parquet"
    change(path)
    index = json.loads((folder / "manifest.json").read_text())
    index["shards"][0]["sha256"] = sha256(path)
    (folder / "manifest.json").write_text(json.dumps(index))


def test_a_wrong_row_is_named(tmp_path):
    def change(path):
        table = parquet.read_table(path)
        place = table.column_names.index("source_duration")
        parquet.write_table(table.set_column(place, "source_duration", pyarrow.array([3.5, -3.5])), path)

    spoilt(tmp_path, change)
    with pytest.raises(ManifestError, match=r"part-00000-of-00001\.parquet, row 2: .*greater than 0"):
        Manifest.load(tmp_path)


def test_a_forked_process_reads_what_its_parent_has_read(tmp_path):
    Manifest(tmp_path, [utterance("a")]).save()
    Manifest.load(tmp_path)
    child = os.fork()
    if not child:
        os._exit(len(Manifest.load(tmp_path)))
    for _ in range(100):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("it waits for threads that only its parent has")
    assert os.waitstatus_to_exitcode(status) == 1


def test_no_parquet_at_all_is_said(tmp_path):
    spoilt(tmp_path, lambda path: path.write_bytes(b"PAR1 and so on"))
    with pytest.raises(ManifestError, match=r"parquet is no Parquet file"):
        Manifest.load(tmp_path)


def test_a_shard_that_changed_or_went_is_named(tmp_path):
    Manifest(tmp_path, [utterance("a")]).save()
    path = tmp_path / "manifest" / "part-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ManifestError, match="has changed since"):
        Manifest.load(tmp_path)
    path.unlink()
    with pytest.raises(ManifestError, match="parquet is missing"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"schema_version": 9, "shards": []}', "has schema 9, this version reads 2"),
        ('{"shards": []}', "is damaged"),
        ("[]", "is damaged"),
        ("{", "is damaged"),
    ],
)
def test_an_index_of_another_kind_is_said_to_be(tmp_path, text, said):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ManifestError, match=f"manifest.json {said}"):
        Manifest.load(tmp_path)


def test_a_damaged_reject_is_named(tmp_path):
    Manifest(tmp_path, [utterance("a")], [Reject(id="c", split="train", reason="silence")]).save()
    path = tmp_path / "rejects.jsonl"
    path.write_text(path.read_text() + '{"id": "d"}\n')
    with pytest.raises(ManifestError, match=r"rejects\.jsonl, line 2"):
        Manifest.load(tmp_path)
    path.unlink()
    with pytest.raises(ManifestError, match=r"rejects\.jsonl is missing"):
        Manifest.load(tmp_path)


def test_a_missing_manifest_says_what_to_run(tmp_path):
    with pytest.raises(ManifestError, match="thesis prepare"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../executed"),
        ("id", "/executed"),
        ("id", "a\nb"),
        ("source_audio", "../../etc/passwd"),
        ("target_audio", "/etc/passwd"),
        ("target_audio", "wav/../../x.wav"),
    ],
)
def test_a_manifest_that_points_outside_is_refused(tiny_run, canary, field, value):
    row = Manifest.load(tiny_run.path / "corpus").utterances[0]
    Manifest(case(canary), [row.model_copy(update={field: value})]).save()  # a copy is not validated
    with pytest.raises(ManifestError, match="row 1.*leads out of the manifest's folder"):
        Manifest.load(case(canary))


def test_a_shard_that_lies_elsewhere_is_refused(canary):
    index = {"schema_version": 2, "shards": [{"file": "../../etc/passwd", "rows": 1, "sha256": "0" * 64}]}
    (case(canary) / "manifest.json").write_text(json.dumps(index))
    with pytest.raises(ManifestError, match="leads out of the manifest's folder"):
        Manifest.load(case(canary))
