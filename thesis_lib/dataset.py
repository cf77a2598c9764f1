"""From a run's configuration to batches: the prepared corpus, its embeddings, segments by step.

Shapes: B batch, N samples, M mel bands, T frames, S and E embedding sizes; N = T * hop_length.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor

from thesis_lib.audio import LogMel, read_audio
from thesis_lib.config import Config
from thesis_lib.corpora import cvss_t, mini
from thesis_lib.embeddings import EmbeddingStore
from thesis_lib.encoders import emotion_encoder, speaker_encoder
from thesis_lib.manifest import Manifest, Utterance
from thesis_lib.runs import Progress, Run, RunError, silent, write_text


def prepared(run: Run, progress: Progress = silent) -> Manifest:
    """The run's manifest; the corpus is unpacked and converted when that has not been done."""
    corpus = run.config.corpus
    folder = run.path / "corpus"
    if (folder / "manifest.jsonl").exists():
        return Manifest.load(folder)
    if corpus.name == "mini":
        release = mini.unpack(run.path / "release", corpus, progress)
    elif corpus.root:
        release = cvss_t.Release.at(Path(corpus.root))
    else:
        raise RunError(
            "the corpus cvss-t needs the folder of the unpacked archives: --set corpus.root=FOLDER "
            "(the data card says where each archive comes from)"
        )
    return cvss_t.prepare(release, folder, run.config.audio, corpus, progress)


def levels(manifest: Manifest) -> np.ndarray:
    """RMS level of every English recording, dB relative to full scale, in the manifest's order."""
    wavs = (read_audio(manifest.target(utterance))[0] for utterance in manifest)
    return np.array([20 * np.log10(np.sqrt(np.mean(wav**2))) for wav in wavs])


@dataclass(frozen=True)
class Embeddings:
    """Both embeddings of both sides of every pair, in the manifest's order."""

    ids: list[str]
    speaker_encoder: str  # name and revision: what every table cites
    emotion_encoder: str
    speaker: dict[str, np.ndarray]  # "source" and "target" -> (n, S)
    emotion: dict[str, np.ndarray]  # "source" and "target" -> (n, E)

    def rows(self, utterances: list[Utterance]) -> np.ndarray:
        """Their row numbers."""
        place = {id: i for i, id in enumerate(self.ids)}
        return np.array([place[u.id] for u in utterances])

    def condition(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        """(S,), (E,) of the Spanish side: what the vocoder is given."""
        row = self.rows([utterance])[0]
        return self.speaker["source"][row], self.emotion["source"][row]


def embedded(run: Run, progress: Progress = silent) -> Embeddings:
    """The run's embeddings; what is missing is computed, and every vector is kept in the store."""
    manifest = prepared(run, progress)
    folder = run.path / "embeddings"
    summary = folder / "embeddings.json"
    sides = {"source": manifest.source, "target": manifest.target}
    if not summary.exists():
        store = EmbeddingStore(folder / "store")
        encoders = {
            "speaker": speaker_encoder(run.config.encoders),
            "emotion": emotion_encoder(run.config.encoders),
        }
        for kind, encoder in encoders.items():
            for side, path in sides.items():
                rows = store.get_files(map(path, manifest), encoder, progress, f"{encoder.name}, {side}")
                np.save(folder / f"{kind}_{side}.npy", rows)
        names = {kind: f"{encoder.name} ({encoder.revision})" for kind, encoder in encoders.items()}
        write_text(summary, json.dumps({"ids": [u.id for u in manifest], **names}))
    read = json.loads(summary.read_text())
    arrays = {
        kind: {side: np.load(folder / f"{kind}_{side}.npy", allow_pickle=False) for side in sides}
        for kind in ("speaker", "emotion")
    }
    return Embeddings(read["ids"], read["speaker"], read["emotion"], arrays["speaker"], arrays["emotion"])


@dataclass(frozen=True)
class Batch:
    """What one training step sees."""

    wav: Tensor  # (B, 1, N)
    mel: Tensor  # (B, M, T)
    speaker: Tensor  # (B, S), of the Spanish side
    emotion: Tensor  # (B, E), of the Spanish side
    ids: list[str]


class Segments:
    """Random segments of one split; the batch of a step depends on the seed and the step alone.

    So a resumed training sees what the uninterrupted one would have seen. Each epoch is a permutation.
    """

    def __init__(self, manifest: Manifest, embeddings: Embeddings, split: str, config: Config) -> None:
        self.utterances = manifest.split(split)
        if not self.utterances:
            raise RunError(f"the {split} split is empty: nothing to train on")
        self.manifest = manifest
        rows = embeddings.rows(self.utterances)
        self.speaker = torch.from_numpy(embeddings.speaker["source"][rows])
        self.emotion = torch.from_numpy(embeddings.emotion["source"][rows])
        self.config = config
        self._log_mel = LogMel(config.audio)

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        training = self.config.training
        draws = range(step * training.batch_size, (step + 1) * training.batch_size)
        indices = [self._index(draw) for draw in draws]
        wav = torch.stack([self._segment(i, draw) for i, draw in zip(indices, draws, strict=True)])
        return Batch(
            wav=wav.unsqueeze(1),
            mel=self._log_mel(wav),
            speaker=self.speaker[indices],
            emotion=self.emotion[indices],
            ids=[self.utterances[i].id for i in indices],
        )

    def _index(self, draw: int) -> int:
        epoch, position = divmod(draw, len(self.utterances))
        order = np.random.default_rng((self.config.training.seed, epoch)).permutation(len(self.utterances))
        return int(order[position])

    def _segment(self, index: int, draw: int) -> Tensor:
        """(N,): read by seeking, not by decoding the whole file; a short file is padded at its end."""
        length = self.config.training.segment_frames * self.config.audio.hop_length
        rng = np.random.default_rng((self.config.training.seed, draw, 1))
        with soundfile.SoundFile(self.manifest.target(self.utterances[index])) as stream:
            stream.seek(int(rng.integers(0, max(1, stream.frames - length + 1))))
            wav = stream.read(length, dtype="float32")
        return torch.from_numpy(np.pad(wav, (0, length - len(wav))))
