"""Kills ``prepare`` at random moments and lets it go on: RELEASE WHOLE FOLDER COUNT; WHOLE is what must come of it.

After every kill, whatever stands under a final name must be whole. Prints what happened as JSON.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pyarrow.parquet  # noqa: F401  # what every process would import anew

from thesis_lib.config import AudioConfig, CorpusConfig
from thesis_lib.corpus.cvss_t import Release
from thesis_lib.corpus.prepare import prepare

release, whole, place, wanted = Release.at(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
folder = place / "corpus"
files = {path.relative_to(whole): path.read_bytes() for path in whole.rglob("*") if path.is_file()}


def begun() -> int:
    """The id of a process that prepares; forked, so that it need not import anything."""
    child = os.fork()
    if not child:
        prepare(release, folder, AudioConfig(), CorpusConfig(name="mini"))
        os._exit(0)
    return child


def check(finished: bool) -> int:
    """How many recordings there are; every file must be whole, and none may be missing at the end."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    for name, path in found.items():
        assert name.name.startswith(".") or path.read_bytes() == files[name], name
    assert not finished or {n for n in found if not n.name.startswith(".partial-")} >= set(files) - {Path(".lock")}
    assert not finished or not any(name.name.startswith(".partial-") for name in found)
    return sum(name.suffix == ".wav" and not name.name.startswith(".") for name in found)


longest = float("inf")  # s; the shorter of two runs without a kill: other load would lengthen every wait below
for _ in range(2):
    start = time.perf_counter()
    assert os.waitpid(begun(), 0)[1] == 0
    longest = min(longest, time.perf_counter() - start)
    check(finished=True)
    shutil.rmtree(folder)
rng = random.Random(0)
counts = {"kills": 0, "finished": 0, "with some recordings": 0}
while counts["kills"] < wanted:
    child = begun()
    time.sleep(rng.uniform(0, longest))
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        assert status == 0, status
        check(finished=True)
        counts["finished"] += 1
        shutil.rmtree(folder)
        continue
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    counts["kills"] += 1
    counts["with some recordings"] += 0 < check(finished=False) < 2 * 18
print(json.dumps(counts))
