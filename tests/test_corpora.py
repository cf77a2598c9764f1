"""The bundled corpus in the real layout, and a release with planted defects: every row is accounted for."""

import csv
import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import soundfile
from conftest import voiced
from hypothesis import given
from hypothesis import strategies as st

from thesis_lib.audio import write_audio
from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpora import cvss_t, mini
from thesis_lib.corpora.cvss_t import CorpusError, Release
from thesis_lib.corpora.split import client_id, is_validation, spread

MINI = CorpusConfig(name="mini")


def test_the_bundle_is_what_the_data_card_says():
    rows = mini.table(MINI)
    assert len(rows) >= 240
    assert rows.voice.nunique() >= 60
    assert rows.es.nunique() >= 150
    for side in ("es", "en"):
        assert rows[f"duration_{side}"].between(3, 10).all()
        assert (rows[f"wer_{side}"] <= 0.2).all()
        assert all((mini.bundle() / "audio" / f"{id}.{side}.opus").exists() for id in rows.id)
    assert (rows.cosine >= 0.25).all()
    assert mini.rejected().reason.notna().all()
    voices = rows.groupby("part").voice.nunique()
    trained = voices["train"] + voices["validation"]
    assert 0.15 < voices["validation"] / trained < 0.25
    assert not set(rows.voice[rows.part == "test"]) & set(rows.voice[rows.part != "test"])


def test_mixtures_have_training_parents_only():
    rows = mini.table(MINI)
    part = dict(zip(rows.voice, rows.part, strict=True))
    mixtures = [v for v in part if "+" in v]
    assert mixtures
    for mixture in mixtures:
        assert part[mixture] == "train"
        for parent in mixture.split("+"):
            assert part.get(parent, "train") == "train"


def test_unpacks_into_the_layout_of_the_real_release(tmp_path):
    release = mini.unpack(tmp_path, MINI.model_copy(update={"limit": 2}))
    release.check()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "covost_v2.es_en.tsv",
        "cv-corpus-4-2019-12-10",
        "cvss_t_es_en_v1.0",
        "styles.tsv",
    ]
    rows = (release.cvss / "train.tsv").read_text().splitlines()
    name, _text = rows[0].split("\t")
    assert name.startswith("common_voice_es_")
    assert name.endswith(".mp3")
    info = soundfile.info(release.cvss / "train" / f"{name}.wav")
    assert (info.samplerate, info.channels, info.subtype) == (24_000, 1, "PCM_16")
    assert soundfile.info(release.common_voice / "clips" / name).format == "MP3"
    spoken = pd.read_csv(release.common_voice / "validated.tsv", sep="\t", quoting=csv.QUOTE_NONE)
    assert list(spoken.columns[:3]) == ["client_id", "path", "sentence"]
    assert spoken.client_id.str.fullmatch("[0-9a-f]{128}").all()


def test_prepare_is_idempotent_and_converts(tmp_path):
    config = MINI.model_copy(update={"limit": 2})
    release = mini.unpack(tmp_path / "release", config)
    first = cvss_t.prepare(release, tmp_path / "corpus", AudioConfig(), config)
    assert Counter(u.split for u in first) == {"train": 2, "validation": 2, "test": 2}
    assert {u.style for u in first} <= {"neutral", "calm", "lively", "solemn"}
    for utterance in first:
        for path in (first.source(utterance), first.target(utterance)):
            info = soundfile.info(path)
            assert (info.samplerate, info.channels, info.subtype) == (22_050, 1, "PCM_16")
    manifest = (tmp_path / "corpus" / "manifest.jsonl").read_bytes()
    (tmp_path / "corpus" / "manifest.jsonl").unlink()  # as if killed before the end
    victim = first.source(first.utterances[0])
    before = victim.read_bytes()
    victim.unlink()
    cvss_t.prepare(release, tmp_path / "corpus", AudioConfig(), config)
    assert (tmp_path / "corpus" / "manifest.jsonl").read_bytes() == manifest
    assert victim.read_bytes() == before


@pytest.fixture
def planted(tmp_path):
    """A release of good pairs and one defect of each kind."""
    release = Release.at(tmp_path / "release")
    rows, spoken, translated, expected = {"train": [], "dev": [], "test": []}, [], [], {}

    def add(number, split="train", reason=None, source=3.5, target=4.0, text="good text", **changes):
        file = f"common_voice_es_{number}.mp3"
        write_audio(release.common_voice / "clips" / file, voiced(source, 24_000, seed=number), 24_000)
        write_audio(release.cvss / split / f"{file}.wav", voiced(target, 24_000, seed=number), 24_000)
        rows[split].append([file, text])
        if not changes.get("no_voice"):
            spoken.append(
                [changes.get("client", f"client{number}"), file, changes.get("sentence", 'dijo "hola" \\ ok')]
            )
        if not changes.get("no_covost"):
            translated.append([file, "good text", changes.get("covost", split)])
        if reason:
            expected[file] = reason
        return file

    for number in range(3):
        add(number)
    add(10, "dev", client="tester")
    add(11, "test", client="tester")
    add(20, reason="no Common Voice row", no_voice=True)
    add(21, reason="no CoVoST row", no_covost=True)
    add(22, reason="split differs from CoVoST", covost="dev")
    add(23, reason="empty text", text=" ")
    add(24, reason="source: duration", source=2.0)
    add(25, reason="target: duration", target=11.0)
    add(26, reason="speaker is in the test part", client="tester")
    add(27, covost="train_covost")
    (release.common_voice / "clips" / add(30, reason="source: missing file")).unlink()
    (release.cvss / "train" / f"{add(31, reason='target: missing file')}.wav").unlink()
    (release.common_voice / "clips" / add(32, reason="source: zero length")).write_bytes(b"")
    (release.common_voice / "clips" / add(33, reason="source: undecodable")).write_bytes(b"no audio" * 99)
    wav = release.cvss / "train" / f"{add(34, reason='target: truncated')}.wav"
    wav.write_bytes(wav.read_bytes()[:50_000])
    write_audio(release.cvss / "train" / f"{add(35, reason='target: silence')}.wav", np.zeros(96_000), 24_000)
    loud = np.sign(voiced(4.0, 24_000))
    write_audio(release.cvss / "train" / f"{add(36, reason='target: clipping')}.wav", loud, 24_000)
    rows["train"].append(["common_voice_es_0.mp3", "again"])  # a duplicate of a good row
    rows["train"].append(["lonely cell"])
    for split, cells in rows.items():
        mini._write_tsv(release.cvss / f"{split}.tsv", cells)
    mini._write_tsv(release.common_voice / "validated.tsv", [["client_id", "path", "sentence"], *spoken])
    mini._write_tsv(release.covost, [["path", "translation", "split"], *translated])
    return release, expected


def test_every_planted_defect_is_reported_under_its_reason(planted, tmp_path):
    release, expected = planted
    config = CorpusConfig()
    manifest = cvss_t.prepare(release, tmp_path / "corpus", AudioConfig(), config)
    found = {r.id: r.reason for r in manifest.rejects if r.reason not in ("duplicate", "malformed row")}
    assert found == expected
    assert Counter(r.reason for r in manifest.rejects)["duplicate"] == 1
    assert Counter(r.reason for r in manifest.rejects)["malformed row"] == 1
    assert {u.id for u in manifest} == {f"common_voice_es_{n}" for n in (0, 1, 2, 10, 11, 27)}
    assert all(u.source_text == 'dijo "hola" \\ ok' for u in manifest)


def test_an_incomplete_release_names_the_missing_part(tmp_path):
    release = mini.unpack(tmp_path, MINI.model_copy(update={"limit": 1}))
    shutil.move(release.covost, tmp_path / "elsewhere.tsv")
    with pytest.raises(CorpusError, match=r"covost_v2\.es_en\.tsv is missing"):
        release.check()


def test_nothing_usable_is_an_error(tmp_path):
    config = MINI.model_copy(update={"limit": 1})
    release = mini.unpack(tmp_path / "release", config)
    with pytest.raises(CorpusError, match="none of the"):
        cvss_t.prepare(release, tmp_path / "corpus", AudioConfig(), config.model_copy(update={"min_duration": 9.99}))


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=50, unique=True))
def test_a_speakers_part_does_not_depend_on_the_others(speakers):
    before = {s: is_validation(s, 0.2, 7) for s in speakers}
    assert {s: is_validation(s, 0.2, 7) for s in reversed([*speakers, "new"])}.items() >= before.items()


def test_about_a_fifth_is_held_out():
    share = np.mean([is_validation(client_id(str(i)), 0.2, 7) for i in range(4000)])
    assert 0.18 < share < 0.22


@given(st.integers(1, 60), st.integers(1, 60))
def test_spread_is_increasing_and_within(length, count):
    places = spread(length, count)
    assert len(set(places)) == min(length, count)
    assert places[0] == 0
    assert places[-1] < length
