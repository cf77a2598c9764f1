"""Clone a folder of recordings; a table records the result or the error of each."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TYPE_CHECKING

from thesis_lib.audio.targets import place_problem
from thesis_lib.cloning.build import build
from thesis_lib.cloning.checks import check_recordings, recordings_in
from thesis_lib.cloning.errors import CloningError
from thesis_lib.cloning.files import Adapter, Request, clone_file
from thesis_lib.cloning.pipeline import VoiceCloningPipeline
from thesis_lib.cloning.signing import check_signing
from thesis_lib.config import CloningConfig, digest
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import fingerprint, write_text
from thesis_lib.utils.plugins import import_plugins, imported_plugins
from thesis_lib.utils.process import TERMINATED, clean_up_when_terminated, printable
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.utils.threads import available_cores, limit_threads
from thesis_lib.vocoder.sources import vocoder_key

if TYPE_CHECKING:
    import pandas as pd

TABLE = "clones.csv"
ONE_RECORDING = {"script": "--script", "add_track": "--add-track"}  # options that a folder cannot have
DONE, FAILED = "done", "failed"


@dataclass(frozen=True)
class FolderSettings:
    """Vocoder, configuration and options that apply to every recording of a folder."""

    vocoder: str
    config: CloningConfig
    request: Request
    suffix: str = ".wav"  # of the outputs
    adapter: Adapter | None = None  # trains the vocoder if the request asks for speaker adaptation

    def key(self, path: Path, vocoder: str) -> str:
        """Digest of the recording and of everything that determines its output; ``vocoder`` is its ``vocoder_key``."""
        asked = json.loads(json.dumps(asdict(self.request), default=_named))
        for option in ONE_RECORDING:  # earlier tables have no such option
            del asked[option]
        if self.request.speakers == 1:
            del asked["speakers"]
        if self.request.credentials is None:
            del asked["credentials"]
        return digest(
            [
                fingerprint(path) if path.exists() else "",  # a link that leads nowhere has a row, too
                vocoder,
                self.config.model_dump(mode="json", exclude=self.config.unused()),
                asked,
                self.suffix,
            ]
        )


def _named(path: Path) -> str:
    return f"{path} {fingerprint(path)}"


def clone_folder(
    folder: Path,
    out: Path,
    settings: FolderSettings,
    jobs: int = 1,
    progress: Progress = silent,
    make: Callable[..., VoiceCloningPipeline] = build,
) -> "pd.DataFrame":
    """Clone every recording below ``folder`` to the same name below ``out``; write and return ``out``/clones.csv.

    The table has one row per recording: file, key, status, reason, and the fields of ``Clone``. A recording that
    fails is recorded with its reason, and the others continue. A second call repeats only recordings that are
    missing, failed or changed, or all of them after the vocoder has changed. ``jobs`` processes share the cores.
    Raises CloningError for a folder without recordings, an output folder that is inside it or a file, options of one
    recording, and a process that was killed; AudioError for a recording of the options that cannot be opened;
    CheckpointError for a wrong vocoder; CredentialsError as ``check_signing``.
    """
    folder, out = Path(folder), Path(out)
    if given := [name for option, name in ONE_RECORDING.items() if getattr(settings.request, option)]:
        raise CloningError(f"{folder} is a folder: {given[0]} is for one recording; name a file in the folder")
    if out.resolve().is_relative_to(folder.resolve()):
        raise CloningError(
            f"{out} lies in {folder}, so its files would be cloned too: choose an output folder outside it"
        )
    paths = recordings_in(folder)
    if out.is_file():
        raise CloningError(f"{out} is a file: name a folder for the output of a folder")
    if problem := place_problem(out):
        raise CloningError(problem)
    check_recordings(settings.request.recordings)
    check_signing(settings.request.credentials, out / f"*{settings.suffix}")
    earlier, rows, paths_of, work = _rows(out / TABLE), {}, {}, []
    vocoder = vocoder_key(settings.vocoder)
    for path in paths:
        name = printable(str(path.relative_to(folder)))
        target = (out / path.relative_to(folder)).with_name(path.name + settings.suffix)
        row, paths_of[name] = earlier.get(name, {}), path
        rows[name] = row
        if not (row.get("status") == DONE and row["key"] == settings.key(path, vocoder) and target.exists()):
            work.append((name, path, target))
    results = _in_this_process(work, settings, make) if jobs == 1 else _in_processes(work, settings, make, jobs)
    for name, result in progress(results, len(work), "clone"):
        rows[name] = {"file": name, "key": settings.key(paths_of[name], vocoder)} | result
        _save(out / TABLE, rows)
    return _save(out / TABLE, rows)


def _in_this_process(
    work: list[tuple[str, Path, Path]], settings: FolderSettings, make: Callable
) -> Iterator[tuple[str, dict]]:
    if not work:
        return
    pipeline = make(settings.vocoder, settings.config)
    for name, source, target in work:
        yield name, _row(pipeline, source, target, settings)


def _in_processes(work: list, settings: FolderSettings, make: Callable, jobs: int) -> Iterator[tuple[str, dict]]:
    threads = max(1, available_cores() // jobs)
    # Spawned, not forked: a forked copy of a process that has used OpenMP hangs.
    with ProcessPoolExecutor(
        jobs, get_context("spawn"), _start_worker, (settings, make, threads, imported_plugins())
    ) as pool:
        futures = {pool.submit(_in_worker, source, target): name for name, source, target in work}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except (KeyboardInterrupt, SystemExit, GeneratorExit):  # the last: the caller was stopped between two results
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()
            raise
        except BrokenProcessPool:
            raise CloningError(
                f"one of {jobs} processes was killed, perhaps for lack of memory: use fewer --jobs"
            ) from None


_worker: tuple[VoiceCloningPipeline, FolderSettings]  # of each process of the pool


def _start_worker(settings: FolderSettings, make: Callable, threads: int, plugins: tuple[str, ...]) -> None:
    global _worker
    clean_up_when_terminated()
    import_plugins(plugins)
    limit_threads(threads)
    _worker = make(settings.vocoder, settings.config, threads), settings


def _in_worker(source: Path, target: Path) -> dict:
    pipeline, settings = _worker
    try:
        return _row(pipeline, source, target, settings)
    except (KeyboardInterrupt, SystemExit):
        # The pool would return it as the result of this recording and take the next one. Partial files are removed.
        os._exit(TERMINATED)


def _row(pipeline: VoiceCloningPipeline, source: Path, target: Path, settings: FolderSettings) -> dict:
    """Clone one recording; return its row of the table. Every error becomes a row with the status "failed"."""
    notes: list[str] = []
    try:
        found = asdict(clone_file(pipeline, source, target, settings.request, notes.append, adapter=settings.adapter))
    except ThesisError as error:
        return {"status": FAILED, "reason": printable("; ".join((str(error), *notes)))}
    except Exception as error:  # a defect of the library or a model: recorded, and the other recordings continue
        return {"status": FAILED, "reason": printable(f"{type(error).__name__}: {error}")}
    for column in ("notes", "seconds", "subtitles"):
        found[column] = json.dumps(found[column], ensure_ascii=False)
    for column in ("source", "target", "notes", "subtitles"):
        found[column] = printable(found[column])
    return {"status": DONE, "reason": ""} | found


def _rows(path: Path) -> dict[str, dict]:
    if not path.exists():
        return {}
    import pandas as pd

    table = pd.read_csv(path, keep_default_na=False)
    if not {"file", "key", "status"} <= set(table.columns):
        raise CloningError(f"{path} is not a table of clones: choose another output folder, or remove the file")
    return {row["file"]: row for row in table.to_dict("records")}


def _save(path: Path, rows: dict[str, dict]) -> "pd.DataFrame":
    import pandas as pd

    table = pd.DataFrame([row for row in rows.values() if row])
    write_text(path, table.to_csv(index=False))
    return table
