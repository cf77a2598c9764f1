"""Batches of training segments from a run's corpus, embeddings and analyses.

Shapes: B batch, N samples, M mel bands, T frames, C content channels, P phonetic channels, S and E embedding sizes;
N = T * hop_length.
"""

import functools
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from thesis_lib.config import ContentConfig, Task
from thesis_lib.corpus.manifest import Split, Utterance
from thesis_lib.corpus.split import spread
from thesis_lib.losses.band_limit import NYQUIST, low_pass
from thesis_lib.runs.analyse import analysis_path, load_analyses, load_analysis, load_pitch
from thesis_lib.runs.embed import load_embeddings
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.training.distillation import load_distilled
from thesis_lib.training.sources import FileSource, ResidentSource
from thesis_lib.vocoder.content import Analysis

CUTOFF_RANGE = (0.9375, 0.9875)  # of a recording's bandwidth: 7.5 to 7.9 kHz for a recording made at 16 kHz


@dataclass(frozen=True)
class Batch:
    """The input and the target of one training step."""

    wav: Tensor  # (B, 1, N)
    content: Tensor  # (B, C, T), in the layout of the recipe's content
    speaker: Tensor  # (B, S), of the Spanish recording
    emotion: Tensor  # (B, E), of the Spanish recording
    ids: list[str]
    cutoff: Tensor | None = None  # (B,) cycles per sample, of ``band_limited``; None: no recording is band-limited

    def to(self, device: torch.device) -> "Batch":
        """Copy the batch to a device."""
        tensors = self.wav, self.content, self.speaker, self.emotion
        wav, content, speaker, emotion = (x.to(device, non_blocking=True) for x in tensors)
        cutoff = None if self.cutoff is None else self.cutoff.to(device, non_blocking=True)
        return Batch(wav, content, speaker, emotion, self.ids, cutoff)

    def band_limited(self, wav: Tensor) -> Tensor:
        """(k B, 1, N), k versions of the batch -> the same, each item low-passed inside its recording's bandwidth."""
        if self.cutoff is None:
            return wav
        return low_pass(wav.squeeze(1), self.cutoff.repeat(len(wav) // len(self.cutoff))).unsqueeze(1)


class Segments:
    """Random segments of one split; a batch depends on the seed and its number alone.

    So a resumed training gets the batches of the uninterrupted one, with any number of workers. Every speaker is drawn
    equally often, whatever the number of recordings, and each recording of a speaker equally often. Only the training
    split's frequency axis is warped. Picklable: a worker process that is spawned gets its own copy.
    """

    def __init__(self, run: Run, task: Task, split: Split) -> None:
        """Load the results of the stages before training; RunError with the command for those that are missing.

        RunError when the split is empty.
        """
        self.manifest = load_manifest(run)
        self.utterances = self.manifest.split(split)
        if not self.utterances:
            raise RunError(f"the {split} split is empty: there is nothing to train on")
        embeddings = load_embeddings(run, ("source",))
        load_analyses(run, task)
        self.speakers = _by_speaker(self.utterances)  # positions
        rows = embeddings.rows(self.utterances)
        self.encoders = {
            "speaker_encoder": embeddings.speaker_encoder,
            "emotion_encoder": embeddings.emotion_encoder,
        }
        self.speaker = torch.from_numpy(embeddings.speaker["source"][rows])
        self.emotion = torch.from_numpy(embeddings.emotion["source"][rows])
        self.recipe, self.sample_rate = run.config.recipe(task), run.config.audio.sample_rate
        self._trains = split == "train"
        another = self._trains and self.recipe.training.condition_from == "another"
        self._conditions = _same_voice(self.utterances) if another else []
        self._bandwidths = [utterance.target_bandwidth for utterance in self.utterances]
        recordings = list(map(self.manifest.target, self.utterances))
        # Validation always compares with the recordings.
        targets = (load_distilled(run, task) if self._trains else []) or recordings
        self._run, self._hop_length = run, run.config.audio.hop_length
        read = functools.partial(_read_analysis, run, self.recipe.content, self.utterances)
        self.files = FileSource(recordings, targets, read, run.config.audio, self.recipe.content)
        self._source: FileSource | ResidentSource = self.files

    @property
    def is_held(self) -> bool:
        """Whether the recordings are in a device's memory."""
        return isinstance(self._source, ResidentSource)

    def hold_on(self, device: torch.device) -> None:
        """Read all recordings and analyses into a device's memory; batches are then made there."""
        self._source = ResidentSource(self.files, device)
        self.speaker, self.emotion = self.speaker.to(device), self.emotion.to(device)

    def batch(self, number: int, part: int = 0, parts: int = 1) -> Batch:
        """Batch ``number``, or one of its ``parts`` equal parts."""
        size = self.recipe.training.batch_size
        share = size // parts
        draws = range(number * size + part * share, number * size + (part + 1) * share)
        indices = [self._index(draw) for draw in draws]
        starts = [self._start(i, draw) for i, draw in zip(indices, draws, strict=True)]
        frames = self.recipe.training.segment_frames
        target, content = self._source.segments(indices, starts, frames, self._warp(draws))
        voices = [self._condition(i, draw) for i, draw in zip(indices, draws, strict=True)]
        return Batch(
            wav=target.unsqueeze(1),
            content=content,
            speaker=self.speaker[torch.tensor(voices, device=self.speaker.device)],
            emotion=self.emotion[torch.tensor(indices, device=self.speaker.device)],
            ids=[self.utterances[i].id for i in indices],
            cutoff=self._cutoff(indices, draws),
        )

    def _warp(self, draws: range) -> np.ndarray | None:
        """The factor of each item's frequency axis, (B,); None outside the training split and for a mel."""
        if not self._trains or self.recipe.content.kind == "mel":
            return None
        seed, range_ = self.recipe.training.seed, np.log(1 + self.recipe.content.warp)
        return np.exp([np.random.default_rng((seed, draw, 2)).uniform(-range_, range_) for draw in draws])

    def _condition(self, index: int, draw: int) -> int:
        """The recording with a draw's speaker: its own, or another of the same speaker and style where there is."""
        others = [other for other in self._conditions[index] if other != index] if self._conditions else []
        if not others:
            return index
        return others[int(np.random.default_rng((self.recipe.training.seed, draw, 5)).integers(len(others)))]

    def _cutoff(self, indices: list[int], draws: range) -> Tensor | None:
        """(B,) cycles per sample, at random just inside each recording's bandwidth."""
        if all(self._bandwidths[i] is None for i in indices):
            return None
        cutoffs = []
        for index, draw in zip(indices, draws, strict=True):
            bandwidth = self._bandwidths[index]
            share = np.random.default_rng((self.recipe.training.seed, draw, 6)).uniform(*CUTOFF_RANGE)
            limited = bandwidth is not None and bandwidth < self.sample_rate / 2
            cutoffs.append(share * cast(float, bandwidth) / self.sample_rate if limited else NYQUIST)
        return torch.tensor(cutoffs, dtype=torch.float32)

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
        return torch.from_numpy(np.concatenate([self.files.analysis(i).phonetic.T for i in chosen]))

    def _index(self, draw: int) -> int:
        """The utterance of a draw: a round of draws has every speaker once, a speaker's rounds every recording once."""
        seed = self.recipe.training.seed
        turn, position = divmod(draw, len(self.speakers))
        speaker = int(np.random.default_rng((seed, turn, 3)).permutation(len(self.speakers))[position])
        own = self.speakers[speaker]
        again, place = divmod(turn, len(own))
        return own[int(np.random.default_rng((seed, speaker, again, 4)).permutation(len(own))[place])]

    def _start(self, index: int, draw: int) -> int:
        """The first frame of a draw."""
        rng = np.random.default_rng((self.recipe.training.seed, draw, 1))
        spare = self._source.samples(index) - self.recipe.training.segment_frames * self._hop_length
        return int(rng.integers(0, max(0, spare) // self._hop_length + 1))


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


def _same_voice(utterances: list[Utterance]) -> list[list[int]]:
    """For each utterance the positions of those of the same speaker and style, itself among them."""
    groups: dict[tuple[str, str], list[int]] = {}
    for index, utterance in enumerate(utterances):
        groups.setdefault((utterance.speaker, utterance.style), []).append(index)
    return [groups[utterance.speaker, utterance.style] for utterance in utterances]


def _read_analysis(run: Run, content: ContentConfig, utterances: list[Utterance], index: int) -> Analysis:
    return load_analysis(analysis_path(run, utterances[index], content))
