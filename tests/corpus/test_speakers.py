"""Recordings of the user's own: folders and tables, lists, bad recordings, interruptions."""

import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, voiced
from tiny_corpora import BASE, config_of, person

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.config import Config, ConfigError
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import NOT_TRANSCRIBED, Manifest, index_of
from thesis_lib.corpus.one_language import prepare_recordings
from thesis_lib.corpus.reasons import explained
from thesis_lib.runs.folder import Run
from thesis_lib.training import train


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_folder_of_speakers(people, tmp_path):
    (people / "ana" / "0.txt").write_text("Buenos días.\n")
    made = prepare_recordings(config_of("speakers", people), tmp_path / "out")
    assert Counter(u.speaker for u in made) == {
        "speakers-ana": 2, "speakers-eva": 3, "speakers-luis": 2, "speakers-rosa": 3,
    }  # fmt: skip
    assert {u.target_text for u in made if u.id == "speakers-ana-0"} == {"Buenos días."}
    assert {u.target_text for u in made if u.speaker == "speakers-eva"} == {NOT_TRANSCRIBED}
    parts = {u.speaker: u.split for u in made}
    assert Counter(parts.values()) == {"train": 2, "validation": 1, "test": 1}
    card = (made.folder / "DATA_CARD.md").read_text()
    assert "| all | 10 | 4 |" in card
    assert "another recording of the same speaker | 10 | 4 |" in card
    assert "Spanish" not in card.replace("the Spanish recording of the pair", "")


def test_a_table_of_recordings(people, tmp_path):
    (people / "utterances.tsv").write_text(
        "path\tcorpus\tspeaker\tgender\tage\ttext\tsplit\n"
        "ana/0.wav\tana\tA\tf\t30\tOne\ttrain\n"
        'eva/0.wav\tother\tE\tf\t\tsay "two"\tvalidation\n'
        "luis/0.wav\t\tL\tm\t\t\ttest\n"
        "../x.wav\t\tL\tm\t\t\ttest\n"
        "luis/1.wav\t\t\tm\t\t\ttest\n"
        "luis/0.wav\t\tL\tm\t\t\ttest\n"
    )
    made = prepare_recordings(config_of("speakers", people), tmp_path / "out")
    assert [(u.id, u.split, u.speaker, u.target_text) for u in made] == [
        ("ana-0", "train", "ana-A", "One"),
        ("other-eva-0", "validation", "other-E", 'say "two"'),
        ("speakers-luis-0", "test", "speakers-L", NOT_TRANSCRIBED),
    ]
    assert Counter(r.reason for r in made.rejects) == {"unsafe file name": 1, "no speaker": 1, "duplicate": 1}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("file\tspeaker\n", "no column 'path'"),
        ("path\tspeaker\tsplit\nana/0.wav\tA\tdev\n", "row 1: the split 'dev'"),
        ("path\tspeaker\tsplit\nana/0.wav\tA\ttrain\neva/0.wav\tE\t\n", "1 of 2 recordings have no split"),
        ("path\tspeaker\nana/0.wav\tA\neva/0.wav\tE\n", "has 2 speakers"),
        ("path\tspeaker\n", "holds no recording"),
    ],
)
def test_a_wrong_table_is_refused_with_the_place(people, tmp_path, table, says):
    (people / "utterances.tsv").write_text(table)
    with pytest.raises(CorpusError, match=says):
        prepare_recordings(config_of("speakers", people), tmp_path / "out")


def test_every_bad_recording_is_a_row_of_the_reject_table(people, tmp_path):
    bad = people / "luis"
    write_audio(bad / "silent.wav", np.zeros(48_000), 24_000)
    write_audio(bad / "telephone.wav", voiced(1.5, 8_000), 8_000)
    write_audio(bad / "short.wav", voiced(0.3, 24_000), 24_000)
    write_audio(bad / "clipped.wav", np.sign(voiced(1.5, 24_000)), 24_000)
    (bad / "empty.wav").write_bytes(b"")
    (bad / "noise.mp3").write_bytes(b"no audio" * 99)
    person(people, "once", 1)
    person(people, "twice", 2)
    write_audio(people / "twice" / "1.wav", np.zeros(48_000), 24_000)
    made = prepare_recordings(config_of("speakers", people, min_recordings=2), tmp_path / "out")
    assert {r.id: r.reason for r in made.rejects} == {
        "speakers-luis-silent": "silence",
        "speakers-luis-telephone": "sample rate",
        "speakers-luis-short": "duration",
        "speakers-luis-clipped": "clipping",
        "speakers-luis-empty": "zero length",
        "speakers-luis-noise": "undecodable",
        "speakers-once-0": "too few recordings",
        "speakers-twice-0": "too few recordings",  # since the other one is silent
        "speakers-twice-1": "silence",
    }
    assert {r.reason for r in made.rejects} <= set(explained())
    assert "8000 Hz, at least 16000" in next(r.detail for r in made.rejects if r.reason == "sample rate")
    assert len(list((made.folder / "wav").iterdir())) == len(made)  # nothing is written for a rejected one


def test_what_was_interrupted_ends_with_the_same_bytes(people, tmp_path):
    config = config_of("speakers", people)
    whole = prepare_recordings(config, tmp_path / "whole")
    folder = tmp_path / "again"
    made = prepare_recordings(config, folder)
    index_of(folder).unlink()
    made.target(made.utterances[0]).unlink()
    prepare_recordings(config, folder)
    assert contents(folder) == contents(whole.folder)
    assert prepare_recordings(config, folder).utterances == whole.utterances  # and is only read then
    index_of(folder).unlink()
    with pytest.raises(CorpusError, match="begun with other settings"):
        prepare_recordings(config_of("speakers", people, trim=40.0), folder)


def test_what_was_repaired_is_in_the_row_whenever_the_recording_was_converted(people, tmp_path, monkeypatch):
    wav = read_audio(people / "ana" / "0.wav")[0]
    write_audio(people / "ana" / "0.wav", np.stack([wav, -wav], 1), 24_000)
    config = config_of("speakers", people)
    made = prepare_recordings(config, tmp_path / "out")
    notes = {u.id: u.notes for u in Manifest.load(made.folder)}
    assert notes.pop("speakers-ana-0") == "the channels cancel each other (inverted phase), channel 1 is used alone"
    assert set(notes.values()) == {""}
    index_of(made.folder).unlink()

    def read_again(path):
        raise AssertionError(f"{path} is read again")

    monkeypatch.setattr("thesis_lib.corpus.conversion.read_surveyed", read_again)
    assert prepare_recordings(config, made.folder).utterances == made.utterances


def test_the_bandwidth_is_measured(people, tmp_path):
    for number in range(2):
        write_audio(people / "wide" / f"{number}.wav", noise(1.5, number), 24_000)
        write_audio(people / "narrow" / f"{number}.wav", noise(1.5, number, 16_000), 16_000)
    made = prepare_recordings(config_of("speakers", people), tmp_path / "out")
    bands = defaultdict(set)
    for found in Manifest.load(made.folder):
        bands[found.speaker].add(found.target_bandwidth)
    assert bands["speakers-wide"] == {None}
    assert all(7500 < hz < 8200 for hz in bands["speakers-narrow"])
    assert "| 7000–8500 Hz | 2 |" in (made.folder / "DATA_CARD.md").read_text()


def noise(seconds: float, seed: int, rate: int = 24_000) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).normal(size=int(seconds * rate)).astype(np.float32)


def test_a_list_of_utterances_gives_everybody_the_same_data(people, tmp_path):
    listed = tmp_path / "list.txt"
    chosen = ["speakers-ana-0", "speakers-ana-1", "speakers-eva-1", "speakers-rosa-2"]
    listed.write_text("# four of ten\n" + "\n".join(chosen) + "\n\n")
    made = prepare_recordings(config_of("speakers", people, utterances=str(listed)), tmp_path / "out")
    assert [u.id for u in made] == chosen
    assert Counter(r.reason for r in made.rejects) == {"not in the list": 6}
    told = json.loads((made.folder / "made.json").read_text())
    assert len(told["utterances_sha256"]) == 64
    assert "utterances" not in told  # the path, which differs between machines
    listed.write_text("speakers-ana-0\nspeakers-absent-7\n")
    with pytest.raises(CorpusError, match=r"list.txt: 1 of 2 ids are not in the corpus, such as speakers-absent-7"):
        prepare_recordings(config_of("speakers", people, utterances=str(listed)), tmp_path / "other")
    for text, says in (("# none\n", "lists no utterance"), (None, "cannot be read")):
        listed.unlink() if text is None else listed.write_text(text)
        with pytest.raises(CorpusError, match=says):
            prepare_recordings(config_of("speakers", people, utterances=str(listed)), tmp_path / "other")


def test_a_limit_and_a_subset(people, tmp_path):
    made = prepare_recordings(config_of("speakers", people, limit=2), tmp_path / "limit")
    assert Counter(u.split for u in made) == {"train": 2, "validation": 2, "test": 2}
    assert len(made) + len(made.rejects) == 10
    part = prepare_recordings(config_of("speakers", people, subset=4), tmp_path / "subset")
    assert len(part) == 4
    assert Counter(r.reason for r in part.rejects) == {"not in the subset": 6}


def test_no_root_and_contradictions_are_refused(people, tmp_path):
    with pytest.raises(CorpusError, match="corpus.root=FOLDER"):
        prepare_recordings(Config().override({"corpus.name": "vctk"}), tmp_path / "out")
    with pytest.raises(CorpusError, match="is no folder"):
        prepare_recordings(config_of("speakers", tmp_path / "lost"), tmp_path / "out")
    with pytest.raises(CorpusError, match="no SPEAKER/NAME.wav"):
        prepare_recordings(config_of("speakers", people / "ana"), tmp_path / "out")
    with pytest.raises(ConfigError, match="corpus.limit=null"):
        config_of("speakers", people, utterances="list.txt", limit=3)


def test_a_run_trains_on_a_folder_of_speakers(people, tmp_path):
    short = {"conversion.training.steps": 2, "conversion.training.checkpoint_every": 2}
    own = {"corpus.name": "speakers", "corpus.root": str(people), "corpus.limit": None}
    run = Run(tmp_path / "run", Config.from_profile("smoke").override(TINY | BASE | short | own))
    assert train(run, "conversion") is not None


def test_manifests_of_earlier_versions_load(people, tmp_path):
    """They have none of the three later columns."""
    from pyarrow import parquet

    from thesis_lib.utils.files import sha256

    made = prepare_recordings(config_of("speakers", people), tmp_path / "out")
    folder = Path(shutil.copytree(made.folder, tmp_path / "old"))
    (shard,) = (folder / "manifest").iterdir()
    parquet.write_table(parquet.read_table(shard).drop_columns(["source_kind", "target_bandwidth", "notes"]), shard)
    index = json.loads(index_of(folder).read_text())
    index["shards"][0]["sha256"] = sha256(shard)
    index_of(folder).write_text(json.dumps(index))
    old = Manifest.load(folder)
    assert [u.id for u in old] == [u.id for u in made]
    assert {(u.source_kind, u.target_bandwidth) for u in old} == {("translation", None)}


def test_the_seed_of_a_subset_chooses_its_recordings(people, tmp_path):
    chosen = []
    for seed in (0, 1):
        config = config_of("speakers", people, subset=4, subset_seed=seed)
        chosen.append({u.id for u in prepare_recordings(config, tmp_path / str(seed))})
    assert [len(ids) for ids in chosen] == [4, 4]
    assert chosen[0] != chosen[1]
