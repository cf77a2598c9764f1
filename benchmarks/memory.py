"""Resident memory of the pipeline over a long recording.

Bundled Spanish recordings of many voices, one after the other with a second between them, as one file. The memory
with the models loaded, and the peak of each tenth of the recording (Linux only: /proc).
"""

import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import read_audio, writing
from thesis_lib.cloning import Request, build, clone_file
from thesis_lib.config import CorpusConfig
from thesis_lib.corpus import mini
from thesis_lib.utils.progress import bar

MINUTES = 60
RATE = 22_050


def run(quick: bool) -> dict:
    """GB resident, and seconds of computation for a second of Spanish."""
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "long.wav"
        _write(source, 1 if quick else MINUTES)
        pipeline = build()
        loaded, log, done = _resident(), [], threading.Event()

        def watch() -> None:
            while not done.wait(0.1):
                log.append(_resident())

        watcher = threading.Thread(target=watch)
        watcher.start()
        started = time.perf_counter()
        made = clone_file(pipeline, source, Path(work) / "out.mp3", Request(subtitles=True), progress=bar)
        seconds = time.perf_counter() - started
        done.set()
        watcher.join()
    return {
        "cores": len(os.sched_getaffinity(0)),
        "minutes of Spanish": made.source_duration / 60,
        "seconds of computation for a second": seconds / made.source_duration,
        "GB with the models loaded": loaded,
        "highest GB of each tenth": [max(part) for part in np.array_split(log, 10)],
    }


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def _write(path: Path, minutes: float) -> None:
    ids, left, number = mini.table(CorpusConfig(name="mini")).id, int(60 * minutes * RATE), 0
    with writing(path, RATE) as write:
        while left > 0:
            wav, _ = read_audio(mini.bundle() / "audio" / f"{ids[number % len(ids)]}.es.opus", RATE)
            write(np.concatenate([wav, np.zeros(RATE, np.float32)]))
            left, number = left - len(wav) - RATE, number + 1
