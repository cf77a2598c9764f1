"""Training of the emotion encoder: what may be trained on, augmentation, the contrastive loss, and a tiny training."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from helpers import voiced
from typer.testing import CliRunner

from thesis_lib.audio.files import write_audio
from thesis_lib.audio.pitch import track
from thesis_lib.audio.world import shifted
from thesis_lib.cli import app
from thesis_lib.config import AudioConfig
from thesis_lib.embeddings.encoders.emotion import EmotionEncoder, statistics
from thesis_lib.embeddings.encoders.emotion_numpy import DEFAULT_FOLDER, trimmed
from thesis_lib.embeddings.encoders.whisper import WhisperEncoder
from thesis_lib.embeddings.encoders.whisper_weights import WIDTH
from thesis_lib.training.emotion import reproduce, selection
from thesis_lib.training.emotion.augmentation import augmented
from thesis_lib.training.emotion.features import Features, features
from thesis_lib.training.emotion.head import HeadRecipe, contrastive, fit
from thesis_lib.training.emotion.recordings import RecordingsError, acted, read_aloud
from thesis_lib.training.emotion.release import CANDIDATES, encoder_card

RATE = 16_000
TINY = HeadRecipe(layers=(0, 1), hidden=8, dim=4, steps=30, batch_size=16)
weights = pytest.mark.weights("whisper-tiny.en")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four speakers (F0), two emotions (noise), four sentences (length); and a row that is for measuring only."""
    folder = tmp_path_factory.mktemp("acted")
    rows = ["path\tcorpus\tspeaker\temotion\tsentence\tuse"]
    for number, f0 in enumerate((100, 130, 170, 220)):
        for emotion, noise in (("calm", 0.0), ("hoarse", 0.03)):
            for sentence, seconds in (("a", 0.6), ("b", 0.7), ("c", 0.8), ("d", 0.9)):
                wav = voiced(seconds, RATE, f0) + noise * np.random.default_rng(number).normal(size=int(seconds * RATE))
                name = f"{number}{emotion}{sentence}.wav"
                write_audio(folder / name, wav.astype(np.float32), RATE)
                rows.append(f"{name}\tsynthetic\ts{number}\t{emotion}\t{sentence}\ttrain")
    rows.append("absent.wav\tothers\ts9\tcalm\ta\tmeasure only")
    (folder / "utterances.tsv").write_text("\n".join(rows) + "\n")
    return folder


def test_what_is_for_measuring_only_is_left_out(folder):
    assert {clip.speaker for clip in acted(folder)} == {"s0", "s1", "s2", "s3"}
    assert {clip.corpus for clip in acted(folder)} == {"synthetic"}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("path\tspeaker\n", "the column emotion is missing"),
        ("path\tspeaker\temotion\tsentence\na\ts\tcalm\tx\n", "1 speakers may be trained on, and selection needs 4"),
    ],
)
def test_a_table_that_does_not_do_is_an_error(tmp_path, table, says):
    (tmp_path / "utterances.tsv").write_text(table)
    with pytest.raises(RecordingsError, match=says):
        acted(tmp_path)


def test_a_folder_without_a_table_is_an_error(tmp_path):
    with pytest.raises(RecordingsError, match=r"utterances\.tsv"):
        acted(tmp_path)


def test_readers_have_the_same_number_of_recordings_each(folder):
    clips = read_aloud(folder, "synthetic", speakers=3, per_speaker=2)
    assert [clip.speaker for clip in clips] == ["s0", "s0", "s1", "s1", "s2", "s2"]
    with pytest.raises(RecordingsError, match="two speakers of synthetic with 9 recordings"):
        read_aloud(folder, "synthetic", speakers=3, per_speaker=9)


def test_another_speaker_has_another_pitch_level_and_the_same_movement():
    audio = AudioConfig(sample_rate=RATE, hop_length=160)
    wav = voiced(1.5, RATE, 140.0)
    higher = shifted(wav, RATE, 1.25, 1.1).astype(np.float32)
    own, other = track(wav, audio).range, track(higher, audio).range
    assert other.log_f0_median - own.log_f0_median == pytest.approx(np.log(1.25), abs=0.02)
    assert other.log_f0_std == pytest.approx(own.log_f0_std, abs=0.02)
    assert len(higher) == len(wav)


def test_an_augmented_version_is_finite_shorter_and_reproducible():
    wav = voiced(1.0, RATE)
    for other in (False, True):
        a, b, c = (augmented(wav, other, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert np.array_equal(a, b)
        assert len(a) != len(c) or not np.allclose(a, c)
        assert 0.6 * len(wav) - 1 <= len(a) <= len(wav)
        assert np.isfinite(a).all()


def test_the_contrastive_loss_is_that_of_the_formula():
    vectors = torch.nn.functional.normalize(torch.randn(5, 3, dtype=torch.float64), dim=1)
    emotion, speaker = torch.tensor([0, 0, 1, 1, 0]), torch.tensor([0, 1, 0, 1, 0])
    terms = []
    for a in range(5):
        negatives = sum(torch.exp(vectors[a] @ vectors[n] / 0.3) for n in range(5) if emotion[n] != emotion[a])
        for p in range(5):
            if emotion[p] == emotion[a] and speaker[p] != speaker[a]:
                own = torch.exp(vectors[a] @ vectors[p] / 0.3)
                terms.append(-torch.log(own / (own + negatives)))
    assert contrastive(vectors, emotion, speaker, 0.3) == pytest.approx(float(torch.stack(terms).mean()))
    assert contrastive(vectors, torch.arange(5), speaker, 0.3) == 0


def made(people: int = 6) -> Features:
    """Statistics with the speaker in most numbers of the first layer, and the emotion in the others."""
    rng = np.random.default_rng(0)
    names = np.stack(np.meshgrid(np.arange(people), np.arange(2), np.arange(4), indexing="ij"), -1).reshape(-1, 3)
    x = 0.1 * rng.normal(size=(len(names), 5 * 2 * WIDTH)).astype(np.float32)
    x[:, :500] += rng.normal(size=(people, 500))[names[:, 0]]
    x[:, 500:768] += names[:, 1, None]
    speaker, emotion, sentence = (np.char.add("n", column.astype(str)) for column in names.T)
    return Features(x, emotion, speaker, sentence, np.zeros(len(names), int))


def test_a_head_tells_the_emotion_of_speakers_and_sentences_that_it_was_not_trained_on():
    recipe = dataclasses.replace(TINY, layers=(0,), steps=60, learning_rate=5e-3)
    row = selection.cross_validated(made(), None, recipe)
    assert min(row.values()) > 0.95
    assert "rank-1 speaker" not in row
    shuffled = dataclasses.replace(made(), speaker=np.random.default_rng(0).permutation(made().speaker))
    assert selection.cross_validated(made(), shuffled, recipe)["rank-1 speaker"] < 0.6


def test_a_fold_shares_neither_speakers_nor_sentences():
    data = made()
    for train, test in selection.folds(data):
        for name in ("speaker", "sentence"):
            values = getattr(data, name)
            assert not set(values[train]) & set(values[test])
        assert train.any()
        assert len(set(data.speaker[test])) == 2


def test_the_best_candidate_is_the_one_with_the_highest_triplet_accuracies():
    candidates = {"too short": dataclasses.replace(TINY, steps=2, learning_rate=1e-6), "long": TINY}
    best, rows = selection.select_candidate(made(), None, candidates)
    assert best == "long"
    assert [row["candidate"] for row in rows] == list(candidates)


def test_a_head_is_the_same_for_a_seed_and_another_for_another():
    a, b, c = (fit(made(), dataclasses.replace(TINY, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(a.out.weight, b.out.weight)
    assert not torch.equal(a.out.weight, c.out.weight)


def test_the_versions_by_another_speaker_can_be_left_out():
    data = made()
    data = dataclasses.replace(data, version=np.arange(len(data.version)) % 3)
    alone = fit(data, dataclasses.replace(TINY, other_speakers=False))
    assert torch.equal(alone.out.weight, fit(data.rows(data.version < 2), TINY).out.weight)


def test_speaker_offsets_make_the_head_follow_the_speaker_less():
    """The readers differ in most of the numbers that tell the emotions of these few actors apart."""
    data, readers = made(), made()
    statistics = np.zeros_like(readers.statistics)
    statistics[:, 500:700] = 2 * np.unique(readers.speaker, return_inverse=True)[1][:, None]
    readers = dataclasses.replace(readers, statistics=statistics)
    recipe = dataclasses.replace(TINY, layers=(0,), steps=60, learning_rate=5e-3)
    moved = dataclasses.replace(data, statistics=data.statistics + 0.2 * statistics[-1])
    cosines = []
    for given in (readers, None):
        head = fit(data, recipe, given)
        a, b = (selection.head_embeddings(head, x, recipe) for x in (data, moved))
        cosines.append(float((a * b).sum(1).mean()))
    assert cosines[0] > cosines[1] + 0.05


def test_readers_for_training_and_for_identification_are_different_speakers():
    assert selection.divided(None) == (None, None)
    readers, unseen = selection.divided(made())
    assert set(readers.speaker) == {"n0", "n2", "n4"}
    assert set(unseen.speaker) == {"n1", "n3", "n5"}


@weights
def test_the_statistics_are_the_encoders_and_are_computed_once(folder, tmp_path, monkeypatch):
    data = features(acted(folder), 2, tmp_path)
    clip = acted(folder)[0]
    frozen = WhisperEncoder()
    from thesis_lib.audio.files import read_audio

    wav = trimmed(read_audio(clip.path, RATE)[0])
    with torch.inference_mode():
        expected = statistics(frozen, torch.from_numpy(wav)[None], (1, 3))[0].numpy()
    assert np.allclose(data.of((1, 3))[0], expected, atol=1e-2, rtol=1e-3)
    assert data.version.tolist() == [0] * 32 + [1] * 32
    monkeypatch.setattr("thesis_lib.training.emotion.features._statistics", None)
    assert np.array_equal(features(acted(folder), 2, tmp_path).statistics, data.statistics)


@weights
def test_a_tiny_training_writes_weights_that_load_and_a_card(folder, tmp_path):
    candidates = {"tiny": TINY, "labels": dataclasses.replace(TINY, contrastive=0.0)}
    encoder = reproduce(folder, None, tmp_path / "out", tmp_path / "cache", candidates, versions=2, say=lambda _: None)
    again = EmotionEncoder(tmp_path / "out")
    assert encoder.encode(voiced(1.0, RATE)).shape == (4,)
    assert again.revision == encoder.revision
    assert encoder.revision != EmotionEncoder().revision
    about = json.loads((tmp_path / "out" / "config.json").read_text())
    assert about["corpora"] == {"synthetic": "licence not known: see its archive"}
    text = (tmp_path / "out" / "README.md").read_text()
    assert "32 of 4 actors, each in 2 versions" in text
    assert f"**{about['candidate']}**" in text


@weights
def test_readers_are_named_in_the_card_and_identified(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("thesis_lib.training.emotion.release.READING_PER_SPEAKER", 2)
    rows = [f"{folder}/{s}calm{t}.wav\tspeechocean762\tso-{s}" for s in range(4) for t in "ab"]
    (tmp_path / "utterances.tsv").write_text("\n".join(["path\tcorpus\tspeaker", *rows]) + "\n")
    out = tmp_path / "out"
    reproduce(folder, tmp_path, out, tmp_path / "cache", {"tiny": TINY}, versions=1, say=lambda _: None)
    text = (out / "README.md").read_text()
    assert "| speaker offsets | 8 recordings of 4 speakers of speechocean762, every second speaker: CC BY 4.0" in text
    assert 0 <= json.loads((out / "config.json").read_text())["selection"][0]["rank-1 speaker"] <= 1


@weights
def test_the_command_names_a_folder_that_it_cannot_use(tmp_path):
    done = CliRunner().invoke(app, ["weights", "emotion", str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(done.exception, RecordingsError)
    assert not (tmp_path / "out").exists()


def test_the_shipped_card_is_that_of_the_shipped_weights():
    about = json.loads((DEFAULT_FOLDER / "config.json").read_text())
    assert encoder_card(about) == (DEFAULT_FOLDER / "README.md").read_text()
    recipe = dict(about["recipe"], layers=tuple(about["recipe"]["layers"]))
    assert HeadRecipe(**recipe) == CANDIDATES[about["candidate"]]
    assert set(about["corpora"]) == {"emodb"}
    assert (DEFAULT_FOLDER / "model.safetensors").stat().st_size < 1e6
