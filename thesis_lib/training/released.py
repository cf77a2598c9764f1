"""How the package's own weights were made: the corpus spoken, the vocoder trained, the result in half precision."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from thesis_lib.corpus.cvss_t import Release
from thesis_lib.runs.folder import Run, RunError, project_root
from thesis_lib.training import train
from thesis_lib.utils.files import write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.synthesis import DEFAULT_FOLDER, Vocoder

SCRIPT = "scripts/build_wide_corpus.py"
LINES = 200  # of the training's log, evenly spread, that stay beside the weights


def reproduce(
    run: Run, folder: Path = DEFAULT_FOLDER, progress: Progress = silent, say: Callable[[str], None] = print
) -> Vocoder:
    """Corpus, embeddings and training of the profile "released", as far as they are not there; weights in ``folder``.

    Interrupted, it goes on where it was. Raises RunError when the corpus cannot be spoken.
    """
    root = Path(str(run.config.corpus.root))
    say("the corpus: some three hours on two cores, where it has not been spoken")
    if not Release.at(root).covost.exists():
        _speak(root.parent)
    say("embeddings and analyses: an hour on two cores; training: eight minutes on an H200, thirty hours on two cores")
    say("interrupted, the same command goes on")
    vocoder = train(run, "conversion", progress)
    vocoder.save_pretrained(folder, half=True)
    write_text(folder / "run.json", run.config.model_dump_json(indent=2) + "\n")
    log = (run.path / "conversion" / "metrics.jsonl").read_text().splitlines(keepends=True)
    write_text(folder / "metrics.jsonl", "".join(log[:: max(1, len(log) // LINES)]))
    say(f"the weights: {folder}")
    return Vocoder.from_torch(folder)


def _speak(corpus: Path) -> None:
    script = project_root() / SCRIPT
    if not script.exists():
        raise RunError(f"{script} is missing: the corpus is spoken by the repository's own script, clone it")
    code = subprocess.run([sys.executable, script, "--out", corpus]).returncode
    if code:
        raise RunError(f"{script} ended with code {code}; the same command goes on where it was")
