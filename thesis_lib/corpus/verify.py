"""Check that a prepared corpus is as its manifest says."""

from pathlib import Path

from thesis_lib.audio.files import AudioError, read_audio
from thesis_lib.corpus.manifest import Manifest, Utterance
from thesis_lib.utils.parallel import map_on_cores
from thesis_lib.utils.progress import Progress, silent

DURATION_TOLERANCE_SECONDS = 0.001


def verify(folder: Path, progress: Progress = silent) -> list[str]:
    """The problems, one line each with the file: missing, damaged, of another rate or duration, or in no row.

    Loading checks the shards' hashes, the schema and that no speaker is in two splits: ManifestError.
    """
    manifest = Manifest.load(folder)
    rates: dict[int, str] = {}

    def problems_of(utterance: Utterance) -> list[str]:
        found = []
        sides = (
            (manifest.source(utterance), utterance.source_duration),
            (manifest.target(utterance), utterance.target_duration),
        )
        for path, seconds in sides:
            try:
                wav, rate = read_audio(path)
            except AudioError as error:
                found.append(str(error))
                continue
            rates.setdefault(rate, str(path))
            if abs(len(wav) / rate - seconds) > DURATION_TOLERANCE_SECONDS:
                found.append(f"{path}: {len(wav) / rate:.3f} s long, the manifest says {seconds:.3f}")
        return found

    results = progress(map_on_cores(problems_of, manifest), len(manifest), "verify")
    problems = [problem for found in results for problem in found]
    if len(rates) > 1:
        problems.append("several sample rates: " + ", ".join(f"{rate} Hz ({path})" for rate, path in rates.items()))
    named = {path for u in manifest for path in (u.source_audio, u.target_audio)}
    folders = {folder / Path(name).parent for name in named}
    files = sorted(path for place in folders if place.is_dir() for path in place.iterdir())
    extra = [path for path in files if path.relative_to(folder).as_posix() not in named]
    return problems + [f"{path}: in no row of the manifest" for path in extra]
