"""The built-in corpora under their names: each prepares its recordings in one folder and returns the manifest."""

from pathlib import Path

from thesis_lib.config import Config
from thesis_lib.config.registries import CORPORA
from thesis_lib.corpus import mini
from thesis_lib.corpus.combined import prepare_combined
from thesis_lib.corpus.cvss_t import release_of
from thesis_lib.corpus.errors import CorpusError
from thesis_lib.corpus.manifest import Manifest
from thesis_lib.corpus.one_language import prepare_recordings
from thesis_lib.corpus.pairs import prepare_pairs
from thesis_lib.corpus.prepare import prepare
from thesis_lib.corpus.readers import READERS
from thesis_lib.utils.progress import Progress

CORPORA.register("manifest")(prepare_pairs)
CORPORA.register("combined")(prepare_combined)
for name in READERS:
    CORPORA.register(name)(prepare_recordings)


@CORPORA.register("mini")
def prepare_mini(config: Config, folder: Path, progress: Progress, scheduler: str | None) -> Manifest:
    """Unpack the bundled corpus beside ``folder`` and prepare it. Raises CorpusError where that fails."""
    release = mini.write_release(folder.parent / "release", config.corpus, progress)
    return prepare(release, folder, config.audio, config.corpus, progress, scheduler)


@CORPORA.register("cvss-t")
def prepare_cvss_t(config: Config, folder: Path, progress: Progress, scheduler: str | None) -> Manifest:
    """Prepare the unpacked archives in ``corpus.root``. CorpusError when they are not laid out as published."""
    return prepare(release_of(config.corpus.root), folder, config.audio, config.corpus, progress, scheduler)


@CORPORA.register("recordings")
def refuse_recordings(config: Config, folder: Path, progress: Progress, scheduler: str | None) -> Manifest:
    """Raise CorpusError: `thesis adapt` writes the manifest of this corpus itself."""
    raise CorpusError(
        f"{folder} holds no recordings: `thesis adapt` prepares them; for pairs of your own, set corpus.name=manifest, "
        "for recordings of several speakers corpus.name=speakers"
    )
