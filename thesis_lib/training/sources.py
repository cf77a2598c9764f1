"""Where training segments come from: the files of a run, or the memory of the training device.

Shapes: B batch, N samples, M mel bands, T frames, C content channels, n rows of all recordings together.
"""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import soundfile
import torch
from torch import Tensor

from thesis_lib.audio.mel import LogMel
from thesis_lib.config import AudioConfig, ContentConfig
from thesis_lib.vocoder.content import PAST_END, Analysis, Feature, feature
from thesis_lib.vocoder.content_batch import Content

MAX_CACHED_ANALYSES = 512  # of some 400 kB each
DTYPES: dict[Feature, type] = {"phonetic": np.float16, "log_f0": np.float32, "voicing": np.float32}  # in memory
MAX_MEMORY_SHARE = 0.5  # of a device's free memory that the recordings may take; the rest is for training


class FileSource:
    """Recordings and analyses, read from their files whenever a segment needs them; picklable."""

    def __init__(
        self,
        recordings: list[Path],
        targets: list[Path],
        analysis: Callable[[int], Analysis],
        audio: AudioConfig,
        content: ContentConfig,
    ) -> None:
        self.recordings, self.targets, self.audio = recordings, targets, audio
        self.log_mel, self.content_features = LogMel(audio), Content(audio, content)
        self.read_analysis = analysis

    @functools.cached_property
    def analysis(self) -> Any:
        """Index -> Analysis. A small corpus stays in memory; a large one is read from disk."""
        return functools.lru_cache(maxsize=MAX_CACHED_ANALYSES)(self.read_analysis)

    def __getstate__(self) -> dict[str, Any]:
        """Everything except the cache of analyses, which cannot be pickled and which each process fills for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "analysis"}

    def samples(self, index: int) -> int:
        """The length of a recording."""
        return soundfile.info(self.recordings[index]).frames

    def segments(
        self, indices: list[int], starts: list[int], frames: int, warp: np.ndarray | None
    ) -> tuple[Tensor, Tensor]:
        """Targets (B, N) and content (B, C, T) from frame ``starts`` of each recording; ``warp`` is ``Content``'s."""
        wav = self._cuts(self.recordings, indices, starts, frames)
        target = wav if self.targets is self.recordings else self._cuts(self.targets, indices, starts, frames)
        mel = self.log_mel(wav)
        if self.content_features.config.kind == "mel":
            return target, mel
        return target, self.content_features(mel, [self.analysis(i) for i in indices], starts, warp)

    def _cuts(self, paths: list[Path], indices: list[int], starts: list[int], frames: int) -> Tensor:
        """(B, N), read by seeking instead of decoding the whole file; short files are zero-padded."""
        length, cuts = frames * self.audio.hop_length, []
        for index, start in zip(indices, starts, strict=True):
            with soundfile.SoundFile(paths[index]) as stream:
                stream.seek(start * self.audio.hop_length)
                wav = stream.read(length, dtype="float32")
            cuts.append(np.pad(wav, (0, length - len(wav))))
        return torch.from_numpy(np.stack(cuts))


class ResidentSource:
    """The same segments from the memory of a device: no file is read and no signal is copied to it in a step.

    Recordings are held as 16-bit integers and phonetic features in half precision, as their files have them.
    """

    def __init__(self, files: FileSource, device: torch.device) -> None:
        self._hop = files.audio.hop_length
        self._log_mel = LogMel(files.audio).to(device)
        self._features = Content(files.audio, files.content_features.config).to(device)
        self._wavs = Rows(map(_samples, files.recordings), device)
        same = files.targets is files.recordings
        self._targets = self._wavs if same else Rows(map(_samples, files.targets), device)
        if self._features.config.kind != "mel":
            analyses = [files.read_analysis(index) for index in range(len(files.recordings))]
            self._means = torch.from_numpy(np.stack([analysis.mel_mean for analysis in analyses])).to(device)
            self._phonetic, self._log_f0, self._voicing = (
                Rows((feature(name, analysis, self._features.config).T.astype(dtype) for analysis in analyses), device)
                for name, dtype in DTYPES.items()
            )

    def samples(self, index: int) -> int:
        """The length of a recording."""
        return self._wavs.length(index)

    def segments(
        self, indices: list[int], starts: list[int], frames: int, warp: np.ndarray | None
    ) -> tuple[Tensor, Tensor]:
        """Targets (B, N) and content (B, C, T) on the device, as those of ``FileSource``."""
        wav = self._cuts(self._wavs, indices, starts, frames)
        target = wav if self._targets is self._wavs else self._cuts(self._targets, indices, starts, frames)

        def cut(name: Feature) -> Tensor:
            if name == "mel_mean":
                return self._means[indices]
            rows = {"phonetic": self._phonetic, "log_f0": self._log_f0, "voicing": self._voicing}[name]
            return rows.cut(indices, starts, frames, PAST_END[name]).transpose(1, 2).float()

        return target, self._features.assembled(self._log_mel(wav), cut, warp)

    def _cuts(self, wavs: "Rows", indices: list[int], starts: list[int], frames: int) -> Tensor:
        places = [start * self._hop for start in starts]
        return wavs.cut(indices, places, frames * self._hop, "constant").squeeze(2).float() / 32768


class Rows:
    """Arrays (n, C) of different n, one below the other in one tensor on a device."""

    def __init__(self, arrays: Iterable[np.ndarray], device: torch.device) -> None:
        found = [np.ascontiguousarray(array) for array in arrays]
        self._lengths = np.array([len(array) for array in found])
        self._firsts = np.cumsum(self._lengths) - self._lengths
        self._data = torch.from_numpy(np.concatenate(found)).to(device)

    def length(self, index: int) -> int:
        """The n of one array."""
        return int(self._lengths[index])

    def cut(
        self, indices: list[int], starts: list[int], size: int, past: Literal["edge", "constant"] = "edge"
    ) -> Tensor:
        """Rows ``starts`` to ``starts + size`` of some arrays -> (B, size, C); past the end the last row, or 0."""
        last = self._lengths[indices] - 1
        plan = torch.from_numpy(np.stack([self._firsts[indices], np.array(starts), last])).to(self._data.device)
        first, start, last = plan.unsqueeze(-1)
        place = start + torch.arange(size, device=self._data.device)
        found = self._data[first + torch.minimum(place, last)]
        return found if past == "edge" else torch.where((place > last).unsqueeze(-1), 0, found)


def holds_data(wanted: Literal["auto", "on", "off"], files: FileSource, device: torch.device) -> bool:
    """Whether a training on that device holds its data there; "auto": on a GPU with enough free memory."""
    if wanted != "auto":
        return wanted == "on"
    return device.type == "cuda" and size_of(files) <= MAX_MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]


def size_of(files: FileSource) -> int:
    """The bytes that the recordings and their analyses take in a ``ResidentSource``."""
    samples = sum(map(files.samples, range(len(files.recordings))))
    sides = 1 if files.targets is files.recordings else 2
    found = sides * 2 * samples  # 16-bit integers
    if files.content_features.config.kind != "mel":
        row = 2 * len(files.read_analysis(0).phonetic) + 8  # half precision; log-F0 and voicing
        found += row * samples // files.audio.hop_length + 4 * files.audio.n_mels * len(files.recordings)
    return found


def _samples(path: Path) -> np.ndarray:
    """(n, 1) int16: the stage "prepare" and the distillation write 16-bit files."""
    return soundfile.read(path, dtype="int16", always_2d=True)[0]
