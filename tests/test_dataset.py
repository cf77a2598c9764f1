import numpy as np
import pytest
import soundfile
import torch

from thesis_lib.config import Config
from thesis_lib.dataset import Segments, embedded, levels, prepared
from thesis_lib.manifest import Manifest
from thesis_lib.runs import Run, RunError


def test_embeddings_follow_the_manifest(tiny_run):
    manifest, embeddings = prepared(tiny_run), embedded(tiny_run)
    assert embeddings.ids == [u.id for u in manifest]
    assert embeddings.speaker["source"].shape == (len(manifest), 192)
    assert embeddings.emotion["target"].shape == (len(manifest), 88)
    assert "test" in embeddings.speaker_encoder, "a stand-in is named as one"
    last = manifest.utterances[-1]
    speaker, _ = embeddings.condition(last)
    assert np.array_equal(speaker, embeddings.speaker["source"][-1])


def test_a_batch_depends_on_seed_and_step_alone(tiny_run):
    manifest, embeddings = prepared(tiny_run), embedded(tiny_run)
    one, other = (Segments(manifest, embeddings, "train", tiny_run.config) for _ in range(2))
    other.batch(0)
    a, b = one.batch(7), other.batch(7)
    assert a.ids == b.ids
    assert torch.equal(a.wav, b.wav)
    reseeded = Segments(manifest, embeddings, "train", tiny_run.config.override({"training.seed": 1}))
    assert not torch.equal(reseeded.batch(7).wav, a.wav)


def test_shapes_and_condition_of_a_batch(tiny_run):
    manifest, embeddings = prepared(tiny_run), embedded(tiny_run)
    training = tiny_run.config.training
    batch = Segments(manifest, embeddings, "train", tiny_run.config).batch(3)
    assert batch.wav.shape == (training.batch_size, 1, training.segment_frames * 256)
    assert batch.mel.shape == (training.batch_size, 80, training.segment_frames)
    row = embeddings.ids.index(batch.ids[0])
    assert np.array_equal(batch.speaker[0], embeddings.speaker["source"][row]), "the Spanish side conditions"


def test_segments_are_pieces_of_the_english_file(tiny_run):
    manifest = prepared(tiny_run)
    batch = Segments(manifest, embedded(tiny_run), "train", tiny_run.config).batch(5)
    utterance = next(u for u in manifest if u.id == batch.ids[0])
    whole, _ = soundfile.read(manifest.target(utterance), dtype="float32")
    piece = batch.wav[0, 0].numpy()
    starts = np.flatnonzero(whole[: len(whole) - len(piece) + 1] == piece[0])
    assert any(np.array_equal(whole[s : s + len(piece)], piece) for s in starts)


def test_each_epoch_sees_every_utterance_once(tiny_run):
    manifest = prepared(tiny_run)
    segments = Segments(manifest, embedded(tiny_run), "train", tiny_run.config)
    count = len(manifest.split("train"))
    for epoch in range(3):
        assert {segments._index(epoch * count + i) for i in range(count)} == set(range(count))


def test_an_empty_split_is_an_error(tiny_run, tmp_path):
    manifest = prepared(tiny_run)
    without = Manifest(tmp_path, [u for u in manifest if u.split != "train"])
    with pytest.raises(RunError, match="train split is empty"):
        Segments(without, embedded(tiny_run), "train", tiny_run.config)


def test_the_real_corpus_needs_a_folder(tmp_path):
    with pytest.raises(RunError, match=r"corpus\.root"):
        prepared(Run(tmp_path / "run", Config.from_profile("thesis")))


def test_levels_are_those_of_the_styles(tiny_run):
    manifest = prepared(tiny_run)
    expected = {"neutral": -23, "calm": -27, "lively": -20, "solemn": -24}
    for utterance, level in zip(manifest, levels(manifest), strict=True):
        assert abs(level - expected[utterance.style]) < 1.5
