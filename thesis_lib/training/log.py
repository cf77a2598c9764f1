"""The training log: metrics.jsonl, one line for each step, and TensorBoard's events beside it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from thesis_lib.utils.files import write_text

if TYPE_CHECKING:
    import numpy as np


class Log:
    """The log of one session, opened at a step.

    Lines of later steps, written by an earlier session, are removed: those steps are computed again. With several
    processes only the one with ``writes`` writes.
    """

    def __init__(self, home: Path, step: int, tensorboard: bool, writes: bool = True) -> None:
        self._writer = self._stream = None
        if not writes:
            return
        home.mkdir(parents=True, exist_ok=True)
        path = home / "metrics.jsonl"
        write_text(path, "".join(lines_before(path, step)))
        self._stream = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(home / "tensorboard"), purge_step=step + 1 if step else None)

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *_) -> None:
        if self._stream:
            self._stream.close()
        if self._writer:
            self._writer.close()

    def write(self, row: dict) -> None:
        """Write the row of one step."""
        if self._stream:
            self._stream.write(json.dumps(row) + "\n")
            self._stream.flush()
        if self._writer:
            for name, value in row.items():
                if name != "step" and isinstance(value, int | float):
                    self._writer.add_scalar(name, value, row["step"])

    def add_audio(self, name: str, wav: "np.ndarray", mel: "np.ndarray", sample_rate: int, step: int) -> None:
        """Write (N,) samples and their log-mel (M, T), low bands below, to TensorBoard."""
        if self._writer:
            self._writer.add_audio(name, wav, step, sample_rate)
            picture = (mel - mel.min()) / max(float(mel.max() - mel.min()), 1e-5)
            self._writer.add_image(f"{name}, log-mel", picture[::-1], step, dataformats="HW")


def lines_before(path: Path, step: int) -> list[str]:
    """The log's lines up to and including a step."""
    if not path.exists():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        # A line cut short by a kill is the last one, and its step is computed again.
        if line.endswith("\n") and json.loads(line)["step"] <= step:
            kept.append(line)
    return kept
