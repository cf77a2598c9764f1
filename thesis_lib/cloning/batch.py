"""A folder of recordings: one table that says what became of each, whatever became of the others."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import torch

from thesis_lib.cloning.build import build
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.files import Adapter, Request, clone_file, recordings_in
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.config import CloningConfig, digest
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import fingerprint, write_text
from thesis_lib.utils.progress import Progress, silent

TABLE = "clones.csv"
DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class Batch:
    """What every recording of a folder gets."""

    vocoder: str
    config: CloningConfig
    request: Request
    suffix: str = ".wav"  # of the outputs
    adapter: Adapter | None = None  # trains the vocoder where the request asks for adaptation

    def key(self, path: Path) -> str:
        """Changes when the recording, or what is made of it, does."""
        asked = json.loads(json.dumps(asdict(self.request), default=_named))
        return digest([fingerprint(path), self.vocoder, self.config.model_dump(mode="json"), asked, self.suffix])


def _named(path: Path) -> str:
    return f"{path} {fingerprint(path)}"


def clone_folder(
    folder: Path,
    out: Path,
    batch: Batch,
    jobs: int = 1,
    progress: Progress = silent,
    make: Callable[..., VoiceCloningPipeline] = build,
) -> pd.DataFrame:
    """Every recording below ``folder`` -> the same name below ``out``, and ``out``/clones.csv.

    A row a recording: file, key, status, reason, and what ``Clone`` says. One that fails says why and stops nobody.
    Called again, it makes what is missing, has failed or has changed. ``jobs`` processes share the cores. Raises
    CloningError for a folder without recordings, an output inside it, and a process that was killed.
    """
    folder, out = Path(folder), Path(out)
    if out.resolve().is_relative_to(folder.resolve()):
        raise CloningError(f"{out} lies in {folder}: its files would be taken for recordings; choose another folder")
    paths = recordings_in(folder)
    earlier, rows, work = _rows(out / TABLE), {}, []
    for path in paths:
        name = str(path.relative_to(folder))
        target = (out / name).with_name(path.name + batch.suffix)
        row = rows[name] = earlier.get(name, {})
        if not (row.get("status") == DONE and row["key"] == batch.key(path) and target.exists()):
            work.append((name, path, target))
    results = _here(work, batch, make) if jobs == 1 else _spread(work, batch, make, jobs)
    for name, result in progress(results, len(work), "clone"):
        rows[name] = {"file": name, "key": batch.key(folder / name)} | result
        _save(out / TABLE, rows)
    return _save(out / TABLE, rows)


def _here(work: list[tuple[str, Path, Path]], batch: Batch, make: Callable) -> Iterator[tuple[str, dict]]:
    if not work:
        return
    pipeline = make(batch.vocoder, batch.config)
    for name, source, target in work:
        yield name, _row(pipeline, source, target, batch)


def _spread(work: list, batch: Batch, make: Callable, jobs: int) -> Iterator[tuple[str, dict]]:
    threads = max(1, (os.cpu_count() or 1) // jobs)
    # Started afresh: a forked copy of a process that has used OpenMP hangs.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (batch, make, threads)) as pool:
        futures = {pool.submit(_in_worker, source, target): name for name, source, target in work}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise CloningError("a process ended early, perhaps for lack of memory: use fewer --jobs") from error


_worker: tuple[VoiceCloningPipeline, Batch]  # of a process of the pool


def _begin(batch: Batch, make: Callable, threads: int) -> None:
    global _worker
    torch.set_num_threads(threads)
    _worker = make(batch.vocoder, batch.config, threads), batch


def _in_worker(source: Path, target: Path) -> dict:
    pipeline, batch = _worker
    return _row(pipeline, source, target, batch)


def _row(pipeline: VoiceCloningPipeline, source: Path, target: Path, batch: Batch) -> dict:
    """The row of a recording, without its name. Whatever goes wrong with it is its own affair."""
    try:
        found = asdict(clone_file(pipeline, source, target, batch.request, adapter=batch.adapter))
    except ThesisError as error:
        return {"status": FAILED, "reason": str(error)}
    except Exception as error:  # a defect of ours or of a model: named, and the others go on
        return {"status": FAILED, "reason": f"{type(error).__name__}: {error}"}
    for column in ("notes", "seconds", "subtitles"):
        found[column] = json.dumps(found[column], ensure_ascii=False)
    return {"status": DONE, "reason": ""} | found


def _rows(path: Path) -> dict[str, dict]:
    if not path.exists():
        return {}
    table = pd.read_csv(path, keep_default_na=False)
    if not {"file", "key", "status"} <= set(table.columns):
        raise CloningError(f"{path} is not a table of clones: choose another folder")
    return {row["file"]: row for row in table.to_dict("records")}


def _save(path: Path, rows: dict[str, dict]) -> pd.DataFrame:
    table = pd.DataFrame([row for row in rows.values() if row])
    write_text(path, table.to_csv(index=False))
    return table
