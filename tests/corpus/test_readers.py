"""The bundled corpus in the real layout; the join of a release's tables; who is held out, and who stands for others."""

import csv
import itertools
import pickle
from collections import Counter
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.synthetic import KINDS, plant
from thesis_lib.cloning.tts import KokoroSynthesizer
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.corpus.cvss_t import CvssTRow, join
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import PairLabels
from thesis_lib.corpus.pairs import Pair
from thesis_lib.corpus.readers.base import rows_of
from thesis_lib.corpus.reasons import explained
from thesis_lib.corpus.split import client_id, is_validation, spread, strata
from thesis_lib.validation.metrics import cosine

ROOT, CARD = Path(__file__).parents[2], "book/data_card.md"
MINI = CorpusConfig(name="mini")


def test_the_bundle_is_what_the_data_card_says():
    rows = mini.table(MINI)
    assert len(rows) >= 240
    assert rows.voice.nunique() >= 60
    assert rows.es.nunique() >= 140
    for side in ("es", "en"):
        assert rows[f"duration_{side}"].between(3, 10).all()
        assert (rows[f"wer_{side}"] <= 0.2).all()
        assert all((mini.bundle() / "audio" / f"{id}.{side}.opus").exists() for id in rows.id)
    assert (rows.cosine >= 0.25).all()
    assert mini.rejected().reason.notna().all()
    voices = rows.groupby("split").voice.nunique()
    trained = voices["train"] + voices["validation"]
    assert 0.15 < voices["validation"] / trained < 0.25
    assert not set(rows.voice[rows.split == "test"]) & set(rows.voice[rows.split != "test"])
    card = (ROOT / CARD).read_text()
    assert f"the test split ({voices['test']})" in card
    assert f"the validation split ({voices['validation']})" in card


def test_mixtures_have_training_parents_only():
    rows = mini.table(MINI)
    split = dict(zip(rows.voice, rows.split, strict=True))
    mixtures = [v for v in split if "+" in v]
    assert mixtures
    for mixture in mixtures:
        assert split[mixture] == "train"
        for parent in mixture.split("+"):
            assert split.get(parent, "train") == "train"


def test_no_speaker_is_in_two_splits_under_two_names():
    """By the synthesizer's own style vectors: two names of one speaker reach 0.92, others 0.74 across splits."""
    styles = {name: style.reshape(-1, 256).mean(axis=0) for name, style in KokoroSynthesizer(threads=1).voices.items()}
    centre = np.mean(list(styles.values()), axis=0)
    splits = {"train": set(), "validation": set(), "test": set()}
    for voice, split in mini.table(MINI)[["voice", "split"]].itertuples(index=False):
        splits[split] |= set(voice.split("+"))

    def likeness(a: str, b: str) -> float:
        return cosine(styles[a] - centre, styles[b] - centre)

    assert likeness("ef_dora", "pf_dora") > 0.9
    for here, there in itertools.combinations(splits.values(), 2):
        assert max(likeness(a, b) for a in here for b in there) < 0.8


def test_unpacks_into_the_layout_of_the_real_release(tmp_path):
    release = mini.write_release(tmp_path, MINI.model_copy(update={"limit": 2}))
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


def test_every_reader_has_the_same_labels_of_a_pair_and_its_rows_reach_the_workers():
    about = {"split": "train", "speaker": "ana", "source_text": "hola", "target_text": "hello", "style": "calm"}
    rows = CvssTRow(file="a.mp3", **about), Pair(id="a", source_audio="a.wav", target_audio="b.wav", **about)
    for row in rows:
        assert isinstance(row, PairLabels)
        assert not {field.name for field in fields(PairLabels)} & set(type(row).__annotations__)
        assert pickle.loads(pickle.dumps(row)) == row
        assert not hasattr(row, "__dict__"), "a corpus of 79,000 pairs stays small"


def test_a_release_of_full_size_and_every_row_accounted_for(tmp_path):
    planted = plant(tmp_path)
    rows, rejects = join(planted.release)
    assert planted.rows > 105_457
    assert len(rows) + len(rejects) == planted.rows
    assert Counter(reject.reason for reject in rejects) == planted.rejects
    assert len(KINDS) >= 14  # and header lines: fifteen kinds, before any recording is opened
    assert all(row.source_text.split()[-1] == row.target_text.split()[-1] for row in rows)  # none is mispaired
    assert all(row.source_text.startswith('él dijo "¿qué?" \\ y') for row in rows)
    assert {row.gender for row in rows} == {"", "male", "female", "other"}
    assert all(len(row.speaker) == 128 for row in rows)


SMALL = {"train": 30, "dev": 5, "test": 5}


def test_each_reason_names_its_row(tmp_path):
    planted = plant(tmp_path, SMALL, each=1)
    _, rejects = join(planted.release)
    assert {r.id for r in rejects if r.reason == "unsafe file name"} == {"../common_voice_es_19000035.mp3"}
    assert all("common_voice_" in r.detail for r in rejects if r.reason != "header line")
    assert "\\udcff" in next(r.detail for r in rejects if "udc" in r.detail)  # bytes that were no text, legibly


def test_an_incomplete_release_names_what_is_missing(tmp_path):
    release = plant(tmp_path, SMALL).release
    text = release.covost.read_text()
    release.covost.write_text(text.replace("translation\tsplit", "translation\tpart", 1))
    with pytest.raises(CorpusError, match=r"covost_v2\.es_en\.tsv has no column 'split'"):
        join(release)
    release.covost.unlink()
    with pytest.raises(CorpusError, match=r"covost_v2\.es_en\.tsv is missing"):
        join(release)


def test_another_version_of_common_voice_is_named_as_such(tmp_path):
    release = plant(tmp_path, SMALL, each=0).release
    spoken = release.common_voice / "validated.tsv"
    spoken.write_text(spoken.read_text().replace("common_voice_es_19", "common_voice_es_29"))
    with pytest.raises(CorpusError, match="seems to be another version"):
        join(release)


def test_a_table_of_something_else_is_a_clear_error(tmp_path):
    release = plant(tmp_path, SMALL, each=0).release
    (release.cvss / "train.tsv").write_bytes(b"x" * 200_000)
    with pytest.raises(CorpusError, match=r"train\.tsv is no table"):
        join(release)


def test_every_reason_stands_in_the_data_card():
    card = (ROOT / CARD).read_text()
    for reason, meaning in explained().items():
        assert f"| {reason} | {meaning} |" in card


PAIR = st.tuples(st.sampled_from("ab"), st.sampled_from("wxyz"), st.floats(3, 10), st.integers(0, 10**6))


@given(st.lists(PAIR, min_size=1, max_size=60, unique_by=lambda pair: pair[3]), st.integers(1, 70), st.randoms())
def test_strata_hold_everybody_once_and_forget_the_order(pairs, count, random):
    def groups_of(pairs):
        splits, speakers, durations, ids = zip(*pairs, strict=True)
        ids = list(map(str, ids))
        return [[ids[i] for i in group] for group in strata(splits, speakers, durations, ids, count, 3)]

    groups = groups_of(pairs)
    assert len(groups) == min(count, len(pairs))
    assert sorted(id for group in groups for id in group) == sorted(str(pair[3]) for pair in pairs)
    assert max(map(len, groups)) - min(map(len, groups)) <= 1
    shuffled = random.sample(pairs, len(pairs))
    assert groups_of(shuffled) == groups


def test_a_subset_is_like_the_whole():
    rng = np.random.default_rng(0)
    speakers = [f"s{int(s)}" for s in rng.zipf(1.6, 4000) % 500]
    durations = rng.gamma(9, 0.6, 4000)
    splits = ["validation" if is_validation(s, 0.2, 7) else "train" for s in speakers]
    ids = [str(i) for i in range(4000)]
    chosen = [group[0] for group in strata(splits, speakers, durations, ids, 400, 0)]
    other = [group[0] for group in strata(splits, speakers, durations, ids, 400, 1)]
    assert chosen != other
    whole, part = Counter(speakers), Counter(speakers[i] for i in chosen)
    assert all(abs(part[name] - n / 10) < 2 for name, n in whole.items())
    held = sum(splits[i] == "validation" for i in chosen) - splits.count("validation") / 10
    assert abs(held) <= 1
    at = np.linspace(0.05, 0.95, 10)
    assert np.abs(np.quantile(durations[chosen], at) - np.quantile(durations, at)).max() < 0.25  # s


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=50, unique=True))
def test_a_speakers_split_does_not_depend_on_the_others(speakers):
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


def test_rows_end_at_line_feeds_alone(tmp_path):
    (tmp_path / "table").write_bytes("a\tone\u2028two\x85three\r\n\n\tno id\nb\n".encode())
    assert list(rows_of(tmp_path / "table", "\t")) == [["a", "one\u2028two\x85three"], ["b", ""]]
