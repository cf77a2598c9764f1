"""Batches of training segments from a run's corpus, embeddings and analyses.

Shapes: B batch, N samples, M mel bands, T frames, C content channels, P phonetic channels, S and E embedding sizes;
N = T * hop_length.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.utils.data import Dataset

from thesis_lib.audio.mel import LogMel
from thesis_lib.config import Task
from thesis_lib.corpus.manifest import Split, Utterance
from thesis_lib.corpus.split import spread
from thesis_lib.runs.analyse import analysed, analysis_path, load_analysis, load_pitch
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import prepared
from thesis_lib.training.distillation import distilled
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.content import Analysis, Content

MAX_CACHED_ANALYSES = 512  # of some 400 kB each


@dataclass(frozen=True)
class Batch:
    """The input and the target of one training step."""

    wav: Tensor  # (B, 1, N)
    content: Tensor  # (B, C, T), in the layout of the recipe's content
    speaker: Tensor  # (B, S), of the Spanish recording
    emotion: Tensor  # (B, E), of the Spanish recording
    ids: list[str]

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        wav, content, speaker, emotion = (x.to(device) for x in (self.wav, self.content, self.speaker, self.emotion))
        return Batch(wav, content, speaker, emotion, self.ids)


class Segments:
    """Random segments of one split; a batch depends on the seed and its number alone.

    So a resumed training gets the batches of the uninterrupted one, with any number of workers. Every speaker is drawn
    equally often, whatever the number of recordings, and each recording of a speaker equally often. Only the training
    split's frequency axis is warped. Picklable: a worker process that is spawned gets its own copy.
    """

    def __init__(self, run: Run, task: Task, split: Split, progress: Progress = silent) -> None:
        """Run the missing stages before training (prepare, embed, analyse, and distillation targets).

        RunError when the split is empty.
        """
        self.manifest = prepared(run, progress)
        self.utterances = self.manifest.split(split)
        if not self.utterances:
            raise RunError(f"the {split} split is empty: there is nothing to train on")
        embeddings = embedded(run, progress, sides=("source",))
        analysed(run, task, progress)
        self._speakers = _by_speaker(self.utterances)
        rows = embeddings.rows(self.utterances)
        self.encoders = {
            "speaker_encoder": embeddings.speaker_encoder,
            "emotion_encoder": embeddings.emotion_encoder,
        }
        self.speaker = torch.from_numpy(embeddings.speaker["source"][rows])
        self.emotion = torch.from_numpy(embeddings.emotion["source"][rows])
        self._run = run
        self.recipe, self.sample_rate = run.config.recipe(task), run.config.audio.sample_rate
        self.hop_length = run.config.audio.hop_length
        self._length = self.recipe.training.segment_frames * self.hop_length  # samples
        self._warps = split == "train"
        self._recordings = list(map(self.manifest.target, self.utterances))
        # Validation always compares with the recordings.
        self._targets = (distilled(run, task, progress) if split == "train" else []) or self._recordings
        self._log_mel = LogMel(run.config.audio)
        self._content = Content(run.config.audio, self.recipe.content)

    @functools.cached_property
    def _analysis(self) -> Any:
        """Index -> Analysis. A small corpus stays in memory; a large one is read from disk."""
        return functools.lru_cache(maxsize=MAX_CACHED_ANALYSES)(self._read_analysis)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the cache of analyses, which cannot be pickled and which each process fills for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_analysis"}

    def batch(self, number: int, part: int = 0, parts: int = 1) -> Batch:
        """Batch ``number``, or one of its ``parts`` equal parts."""
        size = self.recipe.training.batch_size
        share = size // parts
        draws = range(number * size + part * share, number * size + (part + 1) * share)
        indices = [self._index(draw) for draw in draws]
        starts = [self._start(i, draw) for i, draw in zip(indices, draws, strict=True)]
        wav = self._cuts(self._recordings, indices, starts)
        target = wav if self._targets is self._recordings else self._cuts(self._targets, indices, starts)
        return Batch(
            wav=target.unsqueeze(1),
            content=self._content_of(wav, indices, starts, draws),
            speaker=self.speaker[indices],
            emotion=self.emotion[indices],
            ids=[self.utterances[i].id for i in indices],
        )

    def _content_of(self, wav: Tensor, indices: list[int], starts: list[int], draws: range) -> Tensor:
        """(B, N) -> (B, C, T)."""
        mel = self._log_mel(wav)
        config = self.recipe.content
        if config.kind == "mel":
            return mel
        analyses = [self._analysis(i) for i in indices]
        warp = None
        if self._warps:
            seed = self.recipe.training.seed
            range_ = np.log(1 + config.warp)
            warp = np.exp([np.random.default_rng((seed, draw, 2)).uniform(-range_, range_) for draw in draws])
        return self._content(mel, analyses, starts, warp)

    def _read_analysis(self, index: int) -> Analysis:
        return load_analysis(analysis_path(self._run, self.utterances[index], self.recipe.content))

    def log_f0_medians(self) -> Tensor:
        """(n,) median ln F0 of every recording; the median of all where fewer frames are voiced than it takes."""
        medians = torch.full((len(self.utterances),), torch.nan)
        for index, utterance in enumerate(self.utterances):
            median = load_pitch(analysis_path(self._run, utterance, self.recipe.content)).log_f0_median
            if median is not None:
                medians[index] = median
        return torch.where(medians.isnan(), medians.nanmedian(), medians)

    def phonetic_rows(self, utterances: int) -> Tensor:
        """(n, P) phonetic frames of some utterances, evenly spaced over the split."""
        chosen = spread(len(self.utterances), utterances)
        return torch.from_numpy(np.concatenate([self._analysis(i).phonetic.T for i in chosen]))

    def _index(self, draw: int) -> int:
        """The utterance of a draw: a round of draws has every speaker once, a speaker's rounds every recording once."""
        seed = self.recipe.training.seed
        turn, position = divmod(draw, len(self._speakers))
        speaker = int(np.random.default_rng((seed, turn, 3)).permutation(len(self._speakers))[position])
        own = self._speakers[speaker]
        again, place = divmod(turn, len(own))
        return own[int(np.random.default_rng((seed, speaker, again, 4)).permutation(len(own))[place])]

    def _start(self, index: int, draw: int) -> int:
        """The first frame of a draw."""
        rng = np.random.default_rng((self.recipe.training.seed, draw, 1))
        spare = soundfile.info(self._recordings[index]).frames - self._length
        return int(rng.integers(0, max(0, spare) // self.hop_length + 1))

    def _cuts(self, paths: list[Path], indices: list[int], starts: list[int]) -> Tensor:
        """(B, N), read by seeking instead of decoding the whole file; short files are zero-padded."""
        cuts = []
        for index, start in zip(indices, starts, strict=True):
            with soundfile.SoundFile(paths[index]) as stream:
                stream.seek(start * self.hop_length)
                wav = stream.read(self._length, dtype="float32")
            cuts.append(np.pad(wav, (0, self._length - len(wav))))
        return torch.from_numpy(np.stack(cuts))


class Steps(Dataset):
    """Step -> its batches, ``accumulate`` of them; of several processes each takes an equal part of every batch."""

    def __init__(self, segments: Segments, part: int = 0, parts: int = 1) -> None:
        self._segments, self._part, self._parts = segments, part, parts

    def __getitem__(self, step: int) -> list[Batch]:
        count = self._segments.recipe.training.accumulate
        numbers = range(step * count, (step + 1) * count)
        return [self._segments.batch(number, self._part, self._parts) for number in numbers]


def _by_speaker(utterances: list[Utterance]) -> list[list[int]]:
    """The positions of each speaker's utterances."""
    found: dict[str, list[int]] = {}
    for index, utterance in enumerate(utterances):
        found.setdefault(utterance.speaker, []).append(index)
    return list(found.values())
