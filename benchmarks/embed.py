"""Utterances a second of ECAPA-TDNN: ours against speechbrain's own loop, interleaved; and how exact batches are.

The peer reads a file, resamples it and calls ``EncoderClassifier.encode_batch``, one file after the other, on all
threads. Ours is what ``thesis embed`` runs, with an empty store; bfloat16 is timed where the CPU computes in it, for
elsewhere it is emulated, thirty times as slow. The recordings are the bundled corpus's, or those of the folder that
THESIS_HUMAN names.
"""

import itertools
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.human import has_human_folder, human_recordings
from thesis_lib.audio.files import read_audio
from thesis_lib.config import CorpusConfig, EncoderConfig
from thesis_lib.corpus import mini
from thesis_lib.embeddings.encoders import speaker_encoder
from thesis_lib.embeddings.encoders.ecapa import EcapaTdnn, published_network
from thesis_lib.embeddings.encoders.select import computes_in_bfloat16
from thesis_lib.embeddings.store import EmbeddingStore, embed_files
from thesis_lib.utils.load_librosa import load_librosa
from thesis_lib.utils.timing import interleaved, ratio

RATE = 22_050
FILES = 32
BFLOAT16 = "ours, bfloat16"
WAYS = {
    "ours": EncoderConfig(precision="float32"),
    "ours, eight at once": EncoderConfig(precision="float32", batch_size=8),
    BFLOAT16: EncoderConfig(precision="bfloat16"),
}
EXACTNESS_FILES = 8  # that the difference to the original is measured on


def run(quick: bool) -> dict:
    """Speeds, their ratios, exactness, and the store's speed."""
    with tempfile.TemporaryDirectory() as work:
        paths = _recordings(Path(work), EXACTNESS_FILES if quick else FILES)
        stores = (Path(work) / f"store {number}" for number in itertools.count())
        theirs = _speechbrain()
        ours = {
            name: lambda files, c=config: embed_files(files, speaker_encoder, c, next(stores))
            for name, config in WAYS.items()
        }
        alone = np.stack([_their_vector(theirs, path) for path in paths[:EXACTNESS_FILES]])
        distances = {name: float(_distance(alone, way(paths[:EXACTNESS_FILES])).max()) for name, way in ours.items()}
        timed = {name: lambda way=way: way(paths) for name, way in ours.items()}
        if not computes_in_bfloat16():
            del timed[BFLOAT16]
        loop = {"speechbrain": lambda: [_their_vector(theirs, path) for path in paths]}
        seconds = interleaved(loop | timed, 1 if quick else 5, threads=torch.get_num_threads())
        return {
            "files": len(paths),
            "median_seconds": statistics.median(soundfile.info(path).duration for path in paths),
            "threads": torch.get_num_threads(),
            "the CPU computes in bfloat16": computes_in_bfloat16(),
            "utterances_a_second": {name: len(paths) / statistics.median(s) for name, s in seconds.items()},
            "speed / speechbrain": {name: ratio(seconds["speechbrain"], seconds[name]) for name in timed},
            "largest 1 - cosine to speechbrain": distances,
            "largest 1 - cosine of a mixed batch to each alone": _mixed(paths[:EXACTNESS_FILES]),
            "store": _store(Path(work) / "many", 500 if quick else 100_000),
        }


def _recordings(folder: Path, count: int) -> list[Path]:
    """Write ``count`` recordings, human ones where there are any, as files at the project's rate."""
    if has_human_folder():
        found = [path for own in human_recordings().values() for path in own]
    else:
        found = [mini.bundle() / "audio" / f"{id}.es.opus" for id in mini.table(CorpusConfig()).id]
    paths = []
    for number, source in enumerate(found[:: max(1, len(found) // count)][:count]):
        paths.append(folder / f"{number}.wav")  # recordings of two speakers may have one name
        soundfile.write(paths[-1], read_audio(source, RATE)[0], RATE)
    return paths


def _speechbrain():
    from speechbrain.inference.speaker import EncoderClassifier

    ours = EcapaTdnn()
    parts = {
        "compute_features": ours.features,
        "mean_var_norm": ours.normalise,
        "embedding_model": published_network(),
        "classifier": torch.nn.Identity(),
    }
    return EncoderClassifier(parts, hparams={"label_encoder": None})


def _their_vector(classifier, path: Path) -> np.ndarray:
    wav = load_librosa().load(path, sr=16_000)[0]
    with torch.inference_mode():
        return classifier.encode_batch(torch.from_numpy(wav)[None]).squeeze().numpy()


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 1 - (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def _mixed(paths: list[Path]) -> dict[str, float]:
    """Largest 1 - cosine of a batch of different lengths to each recording alone, by ours and by speechbrain's.

    The lengths are half a second, one second, and so on.
    """
    wavs = [read_audio(path, 16_000)[0][: 8000 * (1 + number)] for number, path in enumerate(paths)]
    encoder, theirs = EcapaTdnn(), _speechbrain()
    alone = np.stack([encoder.encode(wav) for wav in wavs])
    lengths = torch.tensor([len(wav) / max(map(len, wavs)) for wav in wavs])
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(wav) for wav in wavs], batch_first=True)
    with torch.inference_mode():
        batch = theirs.encode_batch(padded, lengths).squeeze(1).numpy()
    together = {"ours": encoder.encode_batch(wavs), "speechbrain": batch}
    return {name: float(_distance(alone, vectors).max()) for name, vectors in together.items()}


class _Instant:
    name, revision, dim, sample_rate = "instant", "1", 192, RATE

    def encode(self, wav: np.ndarray) -> np.ndarray:
        return np.resize(wav, self.dim)


def _store(folder: Path, count: int) -> dict[str, float]:
    """Vectors a second, written for the first time and read again, by one thread."""
    store, encoder = EmbeddingStore(folder), _Instant()
    noise = np.random.default_rng(0).normal(scale=0.1, size=count + RATE // 8).astype(np.float32)
    wavs = np.lib.stride_tricks.sliding_window_view(noise, RATE // 8 + 1)
    found = {"vectors": count}
    for what in ("written", "read"):
        started = time.perf_counter()
        for wav in wavs:
            store.get(wav, RATE, encoder)
        found[f"{what} a second"] = count / (time.perf_counter() - started)
    return found
