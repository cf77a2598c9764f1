"""The stage "prepare": the corpus in the project's format, with its manifest."""

from thesis_lib.corpus import CORPORA
from thesis_lib.corpus.conversion import already_prepared
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.runs.stages import PREPARE
from thesis_lib.utils.progress import Progress, silent


def prepared(run: Run, progress: Progress = silent, scheduler: str | None = None) -> Manifest:
    """The run's manifest; ``corpus.name`` is prepared first where that has not been done, here or on a Dask cluster.

    Raises RunError when ``corpus.root`` is missing, CorpusError where the corpus cannot be prepared, RegistryError when
    its name is unknown.
    """
    folder, corpus = run.path / "corpus", run.config.corpus
    if (found := already_prepared(folder, corpus)) is not None:
        return found
    if corpus.name == "cvss-t" and not corpus.root:
        raise RunError(
            "the corpus cvss-t needs the folder of the unpacked archives: --set corpus.root=FOLDER "
            "(the data card says where each archive comes from)"
        )
    return CORPORA[corpus.name](run.config, folder, progress, scheduler)


def load_manifest(run: Run) -> Manifest:
    """The manifest of the run's prepared corpus. RunError with the command that prepares it where there is none."""
    folder = PREPARE.folder(run)
    if (found := already_prepared(folder, run.config.corpus)) is None:
        raise RunError(f"{folder} holds no prepared corpus: run `{PREPARE.command_for(run)}` first")
    return found
