import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from conftest import voiced

from thesis_lib.audio import AudioError, write_audio
from thesis_lib.embeddings import EmbeddingStore


class Counting:
    """A cheap encoder that counts its calls."""

    name, revision, dim, sample_rate = "counting", "1", 3, 22_050

    def __init__(self):
        self.calls = 0

    def encode(self, wav):
        self.calls += 1
        return np.array([wav.mean(), wav.std(), len(wav)], np.float32)


def test_the_same_samples_are_computed_once(tmp_path):
    store, encoder, wav = EmbeddingStore(tmp_path), Counting(), voiced()
    first = store.get(wav, 22_050, encoder)
    assert np.array_equal(store.get(wav.copy(), 22_050, encoder), first)
    assert encoder.calls == 1


def test_the_key_is_everything_that_determines_the_vector(tmp_path):
    store, encoder, wav = EmbeddingStore(tmp_path), Counting(), voiced()
    keys = {store.key(wav, 22_050, encoder)}
    changed = wav.copy()
    changed[0] += 1e-3
    keys |= {store.key(changed, 22_050, encoder), store.key(wav, 16_000, encoder)}
    for name, value in (("name", "other"), ("revision", "2")):
        other = Counting()
        setattr(other, name, value)
        keys.add(store.key(wav, 22_050, other))
    assert len(keys) == 5


def test_a_renamed_file_keeps_its_vector_and_a_changed_one_does_not(tmp_path):
    store, encoder = EmbeddingStore(tmp_path / "store"), Counting()
    for name in ("a", "b"):
        write_audio(tmp_path / f"{name}.wav", voiced(seed=0), 22_050)
    for name in ("a", "b"):
        store.get_files([tmp_path / f"{name}.wav"], encoder)
    assert encoder.calls == 1
    write_audio(tmp_path / "a.wav", voiced(seed=1), 22_050)
    store.get_files([tmp_path / "a.wav"], encoder)
    assert encoder.calls == 2


def test_a_damaged_entry_is_computed_again(tmp_path):
    store, encoder, wav = EmbeddingStore(tmp_path), Counting(), voiced()
    store.get(wav, 22_050, encoder)
    (path,) = tmp_path.rglob("*.npy")
    np.save(path, np.zeros(2, np.float32))
    assert store.get(wav, 22_050, encoder).shape == (3,)
    path.write_bytes(path.read_bytes()[:10])
    assert store.get(wav, 22_050, encoder).shape == (3,)
    assert encoder.calls == 3


def test_parallel_writers_do_no_harm(tmp_path):
    store, encoder = EmbeddingStore(tmp_path), Counting()
    wavs = [voiced(0.2, seed=i) for i in range(4)]
    work = [threading.Thread(target=lambda: [store.get(w, 22_050, encoder) for w in wavs]) for _ in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert len(list(tmp_path.rglob("*.npy"))) == 4
    assert not list(tmp_path.rglob(".partial*"))


def test_bad_audio_is_named_and_nothing_is_stored(tmp_path):
    write_audio(tmp_path / "silent.wav", np.zeros(22_050), 22_050)
    with pytest.raises(AudioError, match=r"silent\.wav"):
        EmbeddingStore(tmp_path / "store").get_files([tmp_path / "silent.wav"], Counting())
    assert not (tmp_path / "store").exists()


def test_many_files_keep_their_order_and_leave_torchs_threads_alone(tmp_path):
    paths = [tmp_path / f"{i}.wav" for i in range(12)]
    for i, path in enumerate(paths):
        write_audio(path, voiced(0.2 + 0.05 * i, seed=i), 22_050)
    threads = torch.get_num_threads()
    rows = EmbeddingStore(tmp_path / "store").get_files(paths, Counting())
    assert list(rows[:, 2]) == sorted(rows[:, 2])
    with ThreadPoolExecutor(1) as pool:
        assert torch.get_num_threads() == pool.submit(torch.get_num_threads).result() == threads


def test_a_bad_file_among_many_is_named_at_once(tmp_path):
    paths = [tmp_path / f"{i}.wav" for i in range(40)]
    for i, path in enumerate(paths):
        write_audio(path, voiced(0.3, seed=i), 22_050)
    paths[3].write_bytes(b"no sound")
    encoder = Counting()
    with pytest.raises(AudioError, match="3.wav"):
        EmbeddingStore(tmp_path / "store").get_files(paths, encoder)
    assert encoder.calls < 40
