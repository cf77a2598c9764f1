"""The stage "prepare": unpack the corpus, convert it to the project's audio format, write its manifest."""

from pathlib import Path

from thesis_lib.corpus import cvss_t, mini
from thesis_lib.corpus.manifest import Manifest, index_of
from thesis_lib.corpus.prepare import prepare
from thesis_lib.runs.folder import Run, RunError
from thesis_lib.utils.progress import Progress, silent


def prepared(run: Run, progress: Progress = silent, scheduler: str | None = None) -> Manifest:
    """The run's manifest; a missing one is made, on every core or on a Dask cluster.

    Raises RunError without ``corpus.root`` for CVSS-T, ManifestError for a damaged manifest, and CorpusError.
    """
    corpus = run.config.corpus
    folder = run.path / "corpus"
    if index_of(folder).exists():
        return Manifest.load(folder)
    if corpus.name == "mini":
        release = mini.unpack(run.path / "release", corpus, progress)
    elif corpus.root:
        release = cvss_t.Release.at(Path(corpus.root))
    else:
        raise RunError(
            "the corpus cvss-t needs the folder of the unpacked archives: --set corpus.root=FOLDER "
            "(the data card says where each archive comes from)"
        )
    return prepare(release, folder, run.config.audio, corpus, progress, scheduler)
