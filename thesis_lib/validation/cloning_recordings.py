"""The Spanish recordings of the cloning report: of the run's corpus, of published pairs, and of folders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from thesis_lib.cloning.checks import recordings_in
from thesis_lib.corpus.split import spread
from thesis_lib.runs.folder import Run
from thesis_lib.runs.prepare import load_manifest
from thesis_lib.utils.files import fingerprint
from thesis_lib.validation.pairs import pair_recordings

OWN = "the speaker's own English"


@dataclass(frozen=True)
class SpanishRecording:
    """A recording to translate, with its English where that is known."""

    test_set: str
    id: str
    speaker: str
    source: Path
    reference: str = ""  # English text; empty: not transcribed
    published: dict[str, Path] = field(default_factory=dict)  # system -> its English


def corpus_recordings(run: Run) -> Iterator[SpanishRecording]:
    """Test utterances of the run's corpus, as many as the configuration says. RunError where it is not prepared."""
    manifest = load_manifest(run)
    tests = manifest.split("test")
    for number in spread(len(tests), run.config.cloning.examples):
        u = tests[number]
        source, own = manifest.source(u), {OWN: manifest.target(u)}
        yield SpanishRecording(run.config.corpus.name, u.id, u.speaker, source, u.target_text, own)


def given_recordings(pairs: Path | None, folders: Iterable[Path]) -> list[SpanishRecording]:
    """The recordings of published pairs and of folders of one speaker each."""
    return [*_published(pairs), *(recording for folder in folders for recording in _of_one_speaker(folder))]


def _published(folder: Path | None) -> Iterator[SpanishRecording]:
    """Published pairs, each recording as a speaker of its own."""
    for group, systems in (pair_recordings(folder) if folder else {}).items():
        for name, path in systems["source"].items():
            published = {system: files[name] for system, files in systems.items() if name in files}
            published.pop("source")
            yield SpanishRecording(group, f"{group}/{name}", f"{group}/{name}", path, "", published)


def _of_one_speaker(folder: Path) -> Iterator[SpanishRecording]:
    for path in recordings_in(folder):
        yield SpanishRecording(Path(folder).name, f"{Path(folder).name}/{path.stem}", Path(folder).name, path)


def fingerprints(recordings: Iterable[SpanishRecording]) -> dict[str, str]:
    """Path -> fingerprint of the files of some recordings."""
    return {str(path): fingerprint(path) for r in recordings for path in (r.source, *r.published.values())}
