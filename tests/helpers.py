"""What several test files use: synthetic signals, bundled recordings, tiny runs beside one another."""

import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Hashable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest

from thesis_lib.audio.files import read_audio
from thesis_lib.config import TASKS, CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.runs.analyse import analysed
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run
from thesis_lib.training.distillation import distilled
from thesis_lib.training.segments import Segments

TINY = {
    "corpus.limit": 4,
    "encoders.speaker": "tiny-test",
    **{
        f"{task}.training.{key}": value
        for task in TASKS
        for key, value in {"steps": 4, "adversarial_from": 2, "checkpoint_every": 2}.items()
    },
    "validation.metrics": ("mel_l1", "pesq", "speaker", "prosody", "style"),
}

ROOT = Path(__file__).parents[1]


def load_script(name: str):
    """The module scripts/NAME.py, which is no part of a package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def notebook_prose(name: str) -> str:
    """The markdown cells of a notebook."""
    cells = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def gate_examples(count: int):
    """Draw ``count`` examples of a slow property in `make test`, under the profile "gate"; others have their number."""
    if hypothesis.settings.get_current_profile_name() != "gate":
        return lambda test: test
    return hypothesis.settings(max_examples=count)


def voiced(seconds: float = 1.0, rate: int = 22_050, f0: float = 140.0, seed: int = 0) -> np.ndarray:
    """A buzzy, syllable-shaped signal: enough like speech for what is tested with it."""
    t = np.arange(int(seconds * rate)) / rate
    rng = np.random.default_rng(seed)
    harmonics = sum(np.sin(2 * np.pi * f0 * k * t + rng.uniform(0, 6)) / k for k in range(1, 12))
    envelope = 0.55 + 0.45 * np.sin(2 * np.pi * 3 * t)
    return (0.1 * harmonics * envelope + 0.002 * rng.normal(size=len(t))).astype(np.float32)


def one_call_for_equal_samples(
    patch: pytest.MonkeyPatch,
    owner: Any,
    name: str = "encode",
    key: Callable[..., Hashable | None] = lambda encoder, wav: encoder.revision,
) -> None:
    """Call ``owner.name`` once for equal arrays and an equal ``key`` of its arguments; each time where that is None."""
    original, found = getattr(owner, name), dict[tuple, np.ndarray]()

    @functools.wraps(original)
    def remembered(*given: Any, **named: Any) -> np.ndarray:
        if (of := key(*given, **named)) is None:
            return original(*given, **named)
        arrays = [x for x in (*given, *named.values()) if isinstance(x, np.ndarray)]
        place = (of, *(hashlib.sha256(np.ascontiguousarray(x)).digest() for x in arrays))
        if place not in found:
            found[place] = original(*given, **named)
        return found[place].copy()

    patch.setattr(owner, name, remembered)


@functools.cache
def _bundled_rows(voices: int) -> pd.DataFrame:
    rows = mini.table(CorpusConfig(name="mini"))
    others = rows.voice[rows.split != "test"].unique()[:voices]
    return rows[(rows.split == "test") | rows.voice.isin(others)].reset_index(drop=True)


def few_bundled_voices(patch: pytest.MonkeyPatch, voices: int = 8) -> None:
    """Restrict the bundled corpus to the voices of the test split and the first ``voices`` others, to save time."""
    rows = _bundled_rows(voices)
    patch.setattr(mini, "table", lambda config: rows.copy())


def turning(per_second: float, seconds: float = 4.0, still: float = 0.0) -> np.ndarray:
    """States on a circle that they go round so many times a second; in the last ``still`` seconds they stand still."""
    turns = per_second * np.minimum(np.arange(0, seconds, 0.02), seconds - still)
    return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], 1).astype(np.float32)


@functools.cache
def spoken(number: int = 0, rate: int = 22_050, side: str = "es") -> np.ndarray:
    """A bundled recording: where a voice activity detector has a say, a buzz will not do."""
    row = mini.table(CorpusConfig(name="mini")).iloc[number]
    return read_audio(mini.bundle() / "audio" / f"{row.id}.{side}.opus", rate)[0]


def chords(seconds: float = 8.0, rate: int = 22_050) -> np.ndarray:
    """Plucked chords: music without a singer."""
    t = np.arange(int(seconds * rate)) / rate
    wav = np.zeros_like(t)
    for number in range(int(2 * seconds)):
        here = (t >= number / 2) & (t < (number + 1) / 2)
        for f0 in ((262, 330, 392), (294, 370, 440), (220, 277, 330), (196, 247, 294))[number % 4]:
            note = sum(np.sin(2 * np.pi * f0 * k * t) / k**1.5 for k in range(1, 9))
            wav += here * note * np.exp(-3 * (t - number / 2) * here)
    return (0.05 * wav).astype(np.float32)


def beside(tiny_run, path, **changes) -> Run:
    """Another run on the same prepared corpus and embeddings; ``a__b=1`` changes the setting a.b."""
    run = Run(path, tiny_run.config.override({key.replace("__", "."): value for key, value in changes.items()}))
    for name in ("corpus", "embeddings"):
        shutil.copytree(tiny_run.path / name, run.path / name)
    return run


def trained_beside(tiny_run, path, **changes) -> Run:
    """The same, with the tiny run's vocoders."""
    run = beside(tiny_run, path, **changes)
    for task in TASKS:
        shutil.copytree(tiny_run.path / task, run.path / task)
    return run


def segments_of(run, task, split) -> Segments:
    """The training segments of a run; the stages before training are run first where that has not been done."""
    embedded(run, sides=("source",))
    analysed(run, task)
    distilled(run, task)
    return Segments(run, task, split)


def rename_encoder(run, task, title: str, stored: bool = True) -> None:
    """Give the speaker encoder of a run's vocoder, and of the run's embeddings, another "name (revision)"."""
    named = {run.path / task / "vocoder" / "config.json": "speaker_encoder"}
    named |= {run.path / "embeddings" / "embeddings.json": "speaker"} if stored else {}
    for path, key in named.items():
        path.write_text(json.dumps(json.loads(path.read_text()) | {key: title}))


def revisions_of(run, table: str) -> dict[str, str]:
    """The encoders that a table's provenance names, with their revisions."""
    return provenance_of(run, table)["weights"]


def provenance_of(run, table: str) -> dict:
    """A table's provenance."""
    return json.loads((run.path / "tables" / f"{table}.provenance.json").read_text())


def log_of(run, task) -> list[dict]:
    """The rows of a training's metrics.jsonl."""
    return [json.loads(line) for line in (run.path / task / "metrics.jsonl").read_text().splitlines()]


def train_command(folder: Path, changes: dict) -> list[str]:
    """`thesis train` of the conversion in a run folder of the tiny configuration with some changes."""
    command = [str(Path(sys.executable).with_name("thesis")), "train", "--task", "conversion", "--profile", "smoke"]
    settings = [f"--set={key}={json.dumps(value)}" for key, value in (TINY | changes).items()]
    return [*command, "--run-dir", str(folder), *settings]


@contextlib.contextmanager
def losing_a_worker(folder: Path, after: int):
    """The address of a Dask cluster of two processes, and a Progress that kills one of them after so many results."""
    from distributed import Client, LocalCluster

    workers = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**workers, local_directory=str(folder)) as cluster, Client(cluster) as client:
        pids = client.run(os.getpid)

        def killing(rows, total, label):
            for number, row in enumerate(rows):
                if number == after:
                    os.kill(next(iter(pids.values())), signal.SIGKILL)
                yield row

        yield cluster.scheduler_address, killing


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(folder: Path):
    """The address at which this machine serves a folder."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=folder)) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()
