"""Make the weights of a profile: its corpus, the vocoder's training, the weights in half precision."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from thesis_lib.corpus.cvss_t import Release
from thesis_lib.runs.analyse import analysed
from thesis_lib.runs.embed import embedded
from thesis_lib.runs.folder import Run, RunError, project_root
from thesis_lib.runs.prepare import prepared
from thesis_lib.training.devices import fabric_of
from thesis_lib.training.loop import train
from thesis_lib.utils.files import write_text
from thesis_lib.utils.progress import Progress, silent
from thesis_lib.vocoder.sources import MADE_BY, RELEASED
from thesis_lib.vocoder.synthesis import Vocoder

SCRIPT = "scripts/build_wide_corpus.py"
LOG_LINES = 200  # of the training log, evenly spaced, that are kept beside the weights


def reproduce_weights(
    run: Run,
    folder: Path | None = None,
    progress: Progress = silent,
    say: Callable[[str], None] = print,
    accelerator: str = "auto",
    scheduler: str | None = None,
) -> Vocoder:
    """Run every missing stage of the profile "released" or "human", then write the weights to ``folder``.

    None: the folder of the released weights that the profile makes. ``accelerator`` is "auto", "cpu" or "cuda", for
    the training and, without ``scheduler``, for the analyses; ``scheduler`` is the address of a Dask scheduler for
    embeddings and analyses. Interrupted, the same call continues. Raises RunError when the corpus cannot be synthesised
    or the profile has no such folder, CorpusError with the member's name where a member of a combined corpus is
    missing, and what ``train`` raises.
    """
    folder = folder or released_folder(run.config.profile)
    fabric = fabric_of(run.config.conversion.training, accelerator=accelerator)
    if scheduler is None:  # its workers have devices of their own
        run.device = str(fabric.device)
    if run.config.corpus.name == "cvss-t":
        root = Path(str(run.config.corpus.root))
        say("the corpus: some three hours on two cores, where it has not been synthesised")
        if not Release.at(root).covost.exists():
            _synthesise(root.parent)
    say("embeddings and analyses: an hour on two cores; training: minutes on a GPU, more than a day on two cores")
    say("interrupted, the same command continues")
    prepared(run, progress, scheduler)
    embedded(run, progress, scheduler, sides=("source",))
    analysed(run, "conversion", progress, scheduler)
    vocoder = train(run, "conversion", progress, fabric)
    vocoder.save_pretrained(folder, half=True)
    write_text(folder / "run.json", run.config.model_dump_json(indent=2) + "\n")
    log = (run.path / "conversion" / "metrics.jsonl").read_text().splitlines(keepends=True)
    write_text(folder / "metrics.jsonl", "".join(log[:: max(1, len(log) // LOG_LINES)]))
    say(f"the weights: {folder}")
    return Vocoder.from_torch(folder)


def released_folder(profile: str) -> Path:
    """The folder of the released weights that a profile makes. Raises RunError for another profile."""
    if profile not in MADE_BY:
        raise RunError(f"the profile {profile} makes none of the released weights: name a folder by --out")
    return RELEASED[MADE_BY[profile]]


def _synthesise(corpus: Path) -> None:
    """Run the repository's script in a process of its own."""
    script = project_root() / SCRIPT
    if not script.exists():
        raise RunError(f"{script} is missing: the corpus is synthesised by the repository's own script, clone it")
    code = subprocess.run([sys.executable, script, "--out", corpus]).returncode
    if code:
        raise RunError(f"{script} ended with code {code}; the same command resumes from there")
