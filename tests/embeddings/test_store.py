import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from canaries import Bomb, case
from helpers import losing_a_worker, voiced

from thesis_lib.audio.files import AudioError, read_audio, write_audio
from thesis_lib.config import EncoderConfig
from thesis_lib.embeddings import store
from thesis_lib.embeddings.encoders import EncoderError, speaker_encoder
from thesis_lib.embeddings.encoders.tiny import TinyTestEncoder
from thesis_lib.embeddings.store import EmbeddingStore, embed_files
from thesis_lib.utils import parallel
from thesis_lib.utils.errors import ThesisError

TINY = EncoderConfig(speaker="tiny-test")


def files(folder, count) -> list:
    """Recordings that become longer."""
    paths = [folder / f"{i}.wav" for i in range(count)]
    for i, path in enumerate(paths):
        write_audio(path, voiced(0.2 + 0.02 * i, seed=i), 22_050)
    return paths


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
    encoder = Counting()
    for name in ("a", "b"):
        write_audio(tmp_path / f"{name}.wav", voiced(seed=0), 22_050)
    for name in ("a", "b"):
        embed_files([tmp_path / f"{name}.wav"], lambda _: encoder, TINY, tmp_path / "store")
    assert encoder.calls == 1
    write_audio(tmp_path / "a.wav", voiced(seed=1), 22_050)
    embed_files([tmp_path / "a.wav"], lambda _: encoder, TINY, tmp_path / "store")
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
        embed_files([tmp_path / "silent.wav"], lambda _: Counting(), TINY, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_many_files_keep_their_order_and_leave_torchs_threads_alone(tmp_path):
    paths = files(tmp_path, 12)
    threads = torch.get_num_threads()
    rows = embed_files(paths, lambda _: Counting(), TINY, tmp_path / "store")
    assert list(rows[:, 2]) == sorted(rows[:, 2])
    with ThreadPoolExecutor(1) as pool:
        assert torch.get_num_threads() == pool.submit(torch.get_num_threads).result() == threads


def test_a_bad_file_among_many_is_named_at_once(tmp_path):
    paths = files(tmp_path, 40)
    paths[3].write_bytes(b"no sound")
    encoder = Counting()
    with pytest.raises(AudioError, match="3.wav"):
        embed_files(paths, lambda _: encoder, TINY, tmp_path / "store")
    assert encoder.calls < 40


class Together(Counting):
    """One that takes several at once, and notes how long they are."""

    def __init__(self):
        super().__init__()
        self.batches = []

    def encode_batch(self, wavs):
        self.batches.append([len(wav) for wav in wavs])
        return np.stack([self.encode(wav) for wav in wavs])


def test_batches_are_of_similar_length_and_change_nothing(tmp_path):
    paths = files(tmp_path, 10)[::-1]
    paths += paths[:1]  # one recording twice
    alone = embed_files(paths, lambda _: Counting(), TINY, tmp_path / "alone")
    encoder, config = Together(), TINY.model_copy(update={"batch_size": 4})
    EmbeddingStore(tmp_path / "together").get(*read_audio(tmp_path / "0.wav"), encoder)
    assert np.array_equal(embed_files(paths, lambda _: encoder, config, tmp_path / "together"), alone)
    length = [len(read_audio(tmp_path / f"{i}.wav")[0]) for i in range(10)]
    # Without the first, which was stored, and the last one's repetition.
    assert sorted(encoder.batches) == [length[1:4], length[4:8], length[8:]]


@pytest.fixture
def one_torch_thread():
    """The weights of the tiny encoder are computed by torch, and depend on its threads; a process has one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_torch_thread")
def test_processes_and_threads_store_the_same_vectors_under_the_same_names(tmp_path, monkeypatch):
    paths = files(tmp_path, 8)
    here = embed_files(paths, speaker_encoder, TINY, tmp_path / "threads")
    monkeypatch.setattr(parallel, "MIN_ITEMS_FOR_PROCESSES", 8)
    monkeypatch.setattr(parallel, "available_cores", lambda: 2)
    monkeypatch.setattr(parallel, "map_on_cores", None)
    assert np.array_equal(embed_files(paths, speaker_encoder, TINY, tmp_path / "processes"), here)
    stored = [
        {path.name: path.read_bytes() for path in (tmp_path / way).rglob("*.npy")} for way in ("threads", "processes")
    ]
    assert len(stored[0]) == 8
    assert stored[0] == stored[1]


def test_a_gpu_is_used_by_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "spread_over", None)
    config = TINY.model_copy(update={"device": "cuda"})
    assert embed_files(files(tmp_path, 2), lambda _: Counting(), config, tmp_path / "store").shape == (2, 3)


@pytest.mark.slow
def test_over_a_cluster_that_loses_a_worker_nothing_is_lost_or_doubled(tmp_path):
    paths = files(tmp_path, 60)
    here = embed_files(paths, speaker_encoder, TINY, tmp_path / "here")
    with losing_a_worker(tmp_path / "dask", after=5) as (address, killing):
        there = embed_files(paths, speaker_encoder, TINY, tmp_path / "there", killing, scheduler=address)
        np.testing.assert_allclose(there, here, atol=1e-3)  # of values to 90: a worker may have other threads
        # A killed process leaves the file that it was writing, under a name that the store ignores.
        whole = [(tmp_path / where).rglob("[!.]*.npy") for where in ("here", "there")]
        names = [sorted(path.name for path in paths) for paths in whole]
        assert names[0] == names[1]
        assert len(names[0]) == 60
        paths[7].write_bytes(b"no sound")
        with pytest.raises(AudioError, match="7.wav"):
            embed_files(paths, speaker_encoder, TINY, tmp_path / "there", scheduler=address)


def test_a_worker_with_another_encoder_is_refused(tmp_path):
    class Other(Counting):
        revision = "2"

    with pytest.raises(EncoderError, match=r"counting \(2\), not counting \(1\)"):
        store._embed(files(tmp_path, 1), lambda _: Other(), TINY, tmp_path, "counting (1)")


def test_no_scheduler_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "SCHEDULER_TIMEOUT", "1s")
    with pytest.raises(ThesisError, match="no Dask scheduler answers at tcp://127.0.0.1:9"):
        embed_files(files(tmp_path, 1), lambda _: Counting(), TINY, tmp_path, scheduler="tcp://127.0.0.1:9")


# Stored embeddings.


@pytest.mark.parametrize("kind", ["a pickle", "another length", "cut short", "no array", "a header that lies"])
def test_a_stored_vector_that_is_none_is_computed_again(canary, kind):
    store, encoder, wav = EmbeddingStore(case(canary)), TinyTestEncoder(), voiced(0.5)
    right = store.get(wav, 22_050, encoder)
    (path,) = case(canary).rglob("*.npy")
    if kind == "a pickle":
        np.save(path, np.array([Bomb(canary)], dtype=object), allow_pickle=True)
    elif kind == "another length":
        np.save(path, right[:-1])
    elif kind == "a header that lies":
        path.write_bytes(path.read_bytes().replace(b"(192,)", b"(999,)"))
    else:
        path.write_bytes(path.read_bytes()[:100] if kind == "cut short" else b"text")
    assert np.array_equal(store.get(wav, 22_050, encoder), right)
