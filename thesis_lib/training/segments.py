"""From a run's configuration to batches: the prepared corpus, its embeddings, segments by step.

Shapes: B batch, N samples, M mel bands, T frames, S and E embedding sizes; N = T * hop_length.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch import Tensor
from torch.utils.data import Dataset

from thesis_lib.audio.files import read_audio, write_audio
from thesis_lib.audio.mel import LogMel
from thesis_lib.audio.pitch import Pitch
from thesis_lib.config import Task, digest
from thesis_lib.corpus.manifest import Manifest, Split, Utterance
from thesis_lib.corpus.split import spread
from thesis_lib.runs.analyse import analysis_path, stored_analysis
from thesis_lib.runs.embed import Embeddings, embedded
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.prepare import prepared
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.content import Analysis, Content, release
from thesis_lib.vocoder.synthesis import Vocoder
from thesis_lib.vocoder.voice import Voice

IN_MEMORY = 512  # analyses, some 400 kB each


def _distillation_targets(
    run: Run,
    teacher: str,
    manifest: Manifest,
    utterances: list[Utterance],
    embeddings: Embeddings,
    progress: Progress,
) -> list[Path]:
    """The recordings as a teacher renders them in their own voices, sample by sample beside them; rendered once."""
    vocoder = Vocoder.from_torch(teacher)
    folder = run.path / "distilled" / digest([teacher, vocoder.meta])
    paths = [folder / f"{utterance.id}.wav" for utterance in utterances]
    missing = [pair for pair in zip(utterances, paths, strict=True) if not pair[1].exists()]
    for utterance, path in progress(missing, len(missing), "the teacher speaks"):
        wav, rate = read_audio(manifest.target(utterance))
        write_audio(path, vocoder.render(wav, Voice(*embeddings.condition(utterance))), rate)
    return paths


@dataclass(frozen=True)
class Batch:
    """What one training step sees."""

    wav: Tensor  # (B, 1, N)
    content: Tensor  # (B, C, T), as the recipe's content has it
    speaker: Tensor  # (B, S), of the Spanish side
    emotion: Tensor  # (B, E), of the Spanish side
    ids: list[str]

    def to(self, device: torch.device) -> "Batch":
        """The same batch there."""
        wav, content, speaker, emotion = (x.to(device) for x in (self.wav, self.content, self.speaker, self.emotion))
        return Batch(wav, content, speaker, emotion, self.ids)


class Segments:
    """Random segments of one split; a batch depends on the seed and its number alone.

    So a resumed training sees what the uninterrupted one would have seen, whatever the number of workers. Every
    speaker is drawn equally often, however many recordings there are, and of a speaker every recording. Only the
    training split's frequency axis is warped.
    """

    def __init__(self, run: Run, task: Task, split: Split, progress: Progress = silent) -> None:
        self.manifest, embeddings = prepared(run, progress), embedded(run, progress, sides=("source",))
        self.utterances = self.manifest.split(split)
        if not self.utterances:
            raise RunError(f"the {split} split is empty: nothing to train on")
        by_speaker: dict[str, list[int]] = {}
        for index, utterance in enumerate(self.utterances):
            by_speaker.setdefault(utterance.speaker, []).append(index)
        self._speakers = list(by_speaker.values())
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
        # Held-out speakers are always compared with their recordings.
        teacher = self.recipe.training.teacher if split == "train" else None
        self._targets = list(map(self.manifest.target, self.utterances))
        self._log_mel = LogMel(run.config.audio)
        self._content = Content(run.config.audio, self.recipe.content)
        # A small corpus stays in memory; a large one is read as it comes.
        self._analysis = lru_cache(maxsize=IN_MEMORY)(self._read_analysis)
        if self.recipe.content.kind != "mel":
            paths = [analysis_path(run, utterance, self.recipe.content) for utterance in self.utterances]
            missing = [index for index, path in enumerate(paths) if not path.exists()]
            for index in progress(missing, len(missing), f"analyse, {split}"):
                self._analysis(index)
            release()
        self._distillation_targets = None
        if teacher:
            self._distillation_targets = _distillation_targets(
                run, teacher, self.manifest, self.utterances, embeddings, progress
            )

    def batch(self, number: int, part: int = 0, parts: int = 1) -> Batch:
        """A batch, or one of its equal parts."""
        size = self.recipe.training.batch_size
        share = size // parts
        draws = range(number * size + part * share, number * size + (part + 1) * share)
        indices = [self._index(draw) for draw in draws]
        starts = [self._start(i, draw) for i, draw in zip(indices, draws, strict=True)]
        wav = self._cuts(self._targets, indices, starts)
        target = self._cuts(self._distillation_targets, indices, starts) if self._distillation_targets else wav
        return Batch(
            wav=target.unsqueeze(1),
            content=self._content_of(wav, indices, starts, draws),
            speaker=self.speaker[indices],
            emotion=self.emotion[indices],
            ids=[self.utterances[i].id for i in indices],
        )

    def _content_of(self, wav: Tensor, indices: list[int], starts: list[int], draws: range) -> Tensor:
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
        return stored_analysis(self._run, self.manifest, self.utterances[index], self._log_mel, self.recipe.content)

    def pitch_levels(self) -> Tensor:
        """(n,) median ln F0 of every recording; of one that is hardly voiced, that of all."""
        levels = torch.full((len(self.utterances),), torch.nan)
        for index, utterance in enumerate(self.utterances):
            with np.load(analysis_path(self._run, utterance, self.recipe.content), allow_pickle=False) as stored:
                level = Pitch(stored["log_f0"], stored["voicing"]).level
            if level is not None:
                levels[index] = level
        return torch.where(levels.isnan(), levels.nanmedian(), levels)

    def phonetic_rows(self, utterances: int) -> Tensor:
        """(n, P) phonetic frames of some utterances spread over the split."""
        chosen = spread(len(self.utterances), utterances)
        return torch.from_numpy(np.concatenate([self._analysis(i).phonetic.T for i in chosen]))

    def _index(self, draw: int) -> int:
        """A round of draws visits every speaker once; a speaker's rounds visit every recording once, and again."""
        seed = self.recipe.training.seed
        turn, position = divmod(draw, len(self._speakers))
        speaker = int(np.random.default_rng((seed, turn, 3)).permutation(len(self._speakers))[position])
        own = self._speakers[speaker]
        again, place = divmod(turn, len(own))
        return own[int(np.random.default_rng((seed, speaker, again, 4)).permutation(len(own))[place])]

    def _start(self, index: int, draw: int) -> int:
        """The first frame of a draw."""
        rng = np.random.default_rng((self.recipe.training.seed, draw, 1))
        spare = soundfile.info(self._targets[index]).frames - self._length
        return int(rng.integers(0, max(0, spare) // self.hop_length + 1))

    def _cuts(self, paths: list[Path], indices: list[int], starts: list[int]) -> Tensor:
        """(B, N), read by seeking, not by decoding the whole file; short files are padded."""
        cuts = []
        for index, start in zip(indices, starts, strict=True):
            with soundfile.SoundFile(paths[index]) as stream:
                stream.seek(start * self.hop_length)
                wav = stream.read(self._length, dtype="float32")
            cuts.append(np.pad(wav, (0, self._length - len(wav))))
        return torch.from_numpy(np.stack(cuts))


class Steps(Dataset):
    """Step -> its batches, one each of ``accumulate``; of several processes each takes its part of every batch."""

    def __init__(self, segments: Segments, part: int = 0, parts: int = 1) -> None:
        self._segments, self._part, self._parts = segments, part, parts

    def __getitem__(self, step: int) -> list[Batch]:
        count = self._segments.recipe.training.accumulate
        numbers = range(step * count, (step + 1) * count)
        return [self._segments.batch(number, self._part, self._parts) for number in numbers]
