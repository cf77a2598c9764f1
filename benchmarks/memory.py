"""Resident memory and speed of the pipeline over a long recording, with one voice and with one for every speaker.

Bundled Spanish recordings, one after the other with a second between them, as one file: recordings of all voices that
are cloned in one voice, and recordings of four voices in turn with ``--speakers auto``. Each is measured in a process
of its own, which imports what ``thesis clone`` imports: the memory with the models loaded, and the highest memory of
each tenth of the time that the recording takes (Linux only: /proc).
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from thesis_lib.audio.files import read_audio, writing
from thesis_lib.cloning import AUTO, Request, build, clone_file
from thesis_lib.utils.progress import bar

MINUTES = 60
VOICES = 4  # of the recording with several speakers
REPETITION_GAIN = 0.99
RATE = 22_050
CHILD = """import json, sys
from benchmarks.memory import measured_alone
json.dump(measured_alone(*sys.argv[1:]), sys.stdout)"""


def run(quick: bool) -> dict:
    """GB resident, and seconds of computation for a second of Spanish."""
    from thesis_lib.config import CorpusConfig
    from thesis_lib.corpus import mini  # pandas, which cloning does without

    rows = mini.table(CorpusConfig(name="mini"))
    test = rows[rows.split == "test"]
    turns = test[test.voice.isin(sorted(test.voice.unique())[:VOICES])].copy()
    turns["number"] = turns.groupby("voice").cumcount()
    several = turns.sort_values(["number", "voice"]).id.tolist()
    minutes = 1 if quick else MINUTES
    audio = mini.bundle() / "audio"
    one = {"cores": len(os.sched_getaffinity(0))} | _in_a_process(audio, rows.id.tolist(), minutes, 1)
    return one | {"a voice for every speaker": {"speakers": VOICES} | _in_a_process(audio, several, minutes, AUTO)}


def _in_a_process(audio: Path, ids: list[str], minutes: float, speakers: int | str) -> dict:
    """``measured_alone`` of a recording of so many minutes."""
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "long.wav"
        _write(source, audio, ids, minutes)
        command = [sys.executable, "-c", CHILD, str(source), str(speakers)]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def measured_alone(source: str, speakers: str) -> dict:
    """Clone a recording in this process; its memory and its speed."""
    pipeline = build()
    loaded, log, done = _resident(), [], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            log.append(_resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.perf_counter()
    request = Request(subtitles=True, speakers=speakers if speakers == AUTO else int(speakers))
    try:
        made = clone_file(pipeline, Path(source), Path(source).with_name("out.mp3"), request, progress=bar)
    finally:
        seconds = time.perf_counter() - started
        done.set()
        watcher.join()
    return {
        "load average": os.getloadavg()[0],
        "speakers found": made.speakers,
        "minutes of Spanish": made.source_duration / 60,
        "seconds of computation for a second": seconds / made.source_duration,
        "GB with the models loaded": loaded,
        "highest GB of each tenth": [max(part) for part in np.array_split(log, 10)],
    }


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9


def _write(path: Path, audio: Path, ids: list[str], minutes: float) -> None:
    left, number = int(60 * minutes * RATE), 0
    with writing(path, RATE) as write:
        while left > 0:
            wav, _ = read_audio(audio / f"{ids[number % len(ids)]}.es.opus", RATE)
            # Each repetition is 1 % quieter, so that Whisper's cache of encoded segments is not used.
            write(np.concatenate([wav * REPETITION_GAIN ** (number // len(ids)), np.zeros(RATE, np.float32)]))
            left, number = left - len(wav) - RATE, number + 1
