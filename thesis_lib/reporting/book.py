"""Run the notebooks, build the book.

As a Sphinx extension (named in _config.yml) it lets ``jupyter-book build .`` show the executed notebooks of
the last run, or the committed ones in a fresh clone, and moves their audio to short files beside the pages.
Formulas are drawn by a copy of MathJax beside the pages, so that none of them needs the network.
"""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from thesis_lib import __version__, pretrained
from thesis_lib.runs.folder import Run, project_root
from thesis_lib.runs.history import open_run
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.files import fingerprint, replacing, write_text
from thesis_lib.utils.progress import Progress, silent

AUDIO = re.compile(r"data:audio/mpeg;base64,([A-Za-z0-9+/=]+)")
MATHJAX = "mathjax.js"  # as _config.yml names it
LATEST = Path("runs") / "latest"  # the run whose notebooks the book shows


class BookError(ThesisError):
    """A notebook that failed or a book that does not build."""


def notebooks() -> list[Path]:
    """The project's notebooks, in order."""
    found = sorted((project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise BookError(f"no notebooks below {project_root()}: call this inside the project's folder")
    return found


def run_notebook(source: Path, target: Path, parameters: dict[str, str]) -> None:
    """Execute with papermill, atomically. BookError for a parameter it does not have, or a failed cell."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    unknown = set(parameters) - set(papermill.inspect_notebook(str(source)))
    if unknown:
        raise BookError(f"{source.name} has no parameter named {sorted(unknown)[0]!r}")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".partial-{target.name}")
    try:
        papermill.execute_notebook(
            str(source),
            str(partial),
            parameters,
            cwd=str(project_root()),
            kernel_name="python3",
            progress_bar=False,
            stderr_file=sys.stderr,  # the phases' own bars
        )
    except PapermillExecutionError as error:
        failed = target.with_name(f"failed-{target.name}")
        partial.replace(failed)
        raise BookError(f"{source.name}: {error.ename}: {error.evalue} (the notebook so far: {failed})") from error
    tree = json.loads(partial.read_text(encoding="utf-8"))
    tree["metadata"]["thesis"] = {"key": _key(source, parameters), "tables": _tables(target.parents[1])}
    write_text(target, json.dumps(tree, indent=1) + "\n")
    partial.unlink()


def _key(source: Path, parameters: dict[str, str]) -> str:
    """What an executed notebook depends on, beside its run folder: cells, parameters, library version."""
    cells = [[cell["cell_type"], cell["source"]] for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]]
    return hashlib.sha256(json.dumps([cells, parameters, __version__], sort_keys=True).encode()).hexdigest()


def _tables(folder: Path) -> dict[str, str]:
    """The tables of a run, as a notebook that was executed just now has seen them: file name -> fingerprint."""
    return {path.name: fingerprint(path) for path in sorted((folder / "tables").glob("*.csv"))}


def _parameters(run: Run) -> dict[str, str]:
    # As short as it can be: it stands on the page, and a machine's path says nothing to a reader.
    root = project_root()
    folder = run.path.relative_to(root) if run.path.is_relative_to(root) else run.path
    return {"profile": run.config.profile, "run_dir": str(folder)}


def run_notebooks(run: Run, progress: Progress = silent) -> None:
    """All notebooks into the run's notebooks/; those that are executed and show what stands are kept."""
    sources, parameters = notebooks(), _parameters(run)
    for source in progress(sources, len(sources), "notebooks"):
        target = run.path / "notebooks" / source.name
        if _outdated(source, target, parameters):
            run_notebook(source, target, parameters)
    write_text(project_root() / LATEST, f"{parameters['run_dir']}\n")


def _outdated(source: Path, target: Path, parameters: dict[str, str]) -> list[str]:
    """Why an executed notebook does not show what its cells and the run's tables say today."""
    if not target.exists():
        return ["has not been executed"]
    done = json.loads(target.read_text(encoding="utf-8"))["metadata"].get("thesis", {})
    found = [] if done.get("key") == _key(source, parameters) else ["was executed from other cells"]
    now = _tables(target.parents[1])
    return found + [f"shows an older tables/{n}" for n, seen in done.get("tables", {}).items() if now.get(n) != seen]


def check(run: Run) -> list[str]:
    """Every number of a run's pages that is older than what it comes from, in words; empty when there is none."""
    parameters = _parameters(run)
    found = [f"tables/{name}.csv: {why}" for name, reasons in run.stale().items() for why in reasons]
    for source in notebooks():
        reasons = _outdated(source, run.path / "notebooks" / source.name, parameters)
        found += [f"{source.name} {why}" for why in reasons]
    return found


def build(builder: str = "html") -> Path:
    """``jupyter-book build .`` with warnings as errors; the index page. BookError when it fails."""
    root = project_root()
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(root), "-n", "-W", "--keep-going"]
    if subprocess.run([*command, "--builder", builder], cwd=root, check=False).returncode:
        raise BookError("the book did not build: see the warnings above")
    return root / "_build" / builder / "index.html"


def find_chromium() -> str | None:
    """The system's Chromium, or none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def print_pdf() -> Path:
    """The whole book as one PDF with an outline, printed by Chromium. BookError without one, or when it fails."""
    chromium = find_chromium()
    if not chromium:
        raise BookError("a PDF is printed by Chromium, and there is none: apt-get install chromium")
    folder = build("singlehtml").parent
    # Sphinx writes the page into the main page's folder, and its links as if it were above that.
    page = shutil.copyfile(folder / "book" / "index.html", folder / "print.html")
    target = folder.parent / "pdf" / "book.pdf"
    target.parent.mkdir(exist_ok=True)
    options = ("--headless", "--no-sandbox", "--no-pdf-header-footer", "--generate-pdf-document-outline")
    wait = "--virtual-time-budget=60000"  # ms, as the page's clock has them: for its formulas
    with replacing(target) as partial:
        done = subprocess.run(
            [chromium, *options, wait, f"--print-to-pdf={partial}", page.as_uri()], capture_output=True, text=True
        )
        if done.returncode or not partial.stat().st_size:
            raise BookError(f"{chromium} did not print the book: {done.stderr.strip()[-300:]}")
    return target


def executed(root: Path, name: str) -> Path | None:
    """The last run's executed notebook of that file name, if there is one."""
    latest = root / LATEST
    if not latest.exists():
        return None
    path = root / latest.read_text(encoding="utf-8").strip() / "notebooks" / name
    return path if path.exists() else None


def audio_to_files(text: str, folder: Path, link: str) -> str:
    """Write every MP3 inside a notebook's text to ``folder`` and link to it instead."""

    def move(match: re.Match) -> str:
        data = base64.b64decode(match[1])
        name = hashlib.sha256(data).hexdigest()[:16] + ".mp3"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        return f"{link}/{name}"

    return AUDIO.sub(move, text)


def _is_notebook(docname: str) -> bool:
    return docname.startswith("notebooks/")


def _on_config_inited(app, config) -> None:
    """Buttons to Binder, Colab and the source, where the book is published from a repository on GitHub."""
    if repository := os.environ.get("GITHUB_REPOSITORY"):
        config.html_theme_options |= {
            "repository_url": f"https://github.com/{repository}",
            "repository_branch": os.environ.get("GITHUB_REF_NAME", "main"),
            "path_to_docs": "",
            "use_repository_button": True,
            "launch_buttons": {
                "binderhub_url": "https://mybinder.org",
                "colab_url": "https://colab.research.google.com",
                "notebook_interface": "jupyterlab",
            },
        }


def _on_builder_inited(app) -> None:
    """The build fails (its warnings are errors) on a page that is older than its numbers."""
    from sphinx.util import logging

    latest = Path(app.srcdir) / LATEST
    if latest.exists():
        for problem in check(open_run(Path(app.srcdir) / latest.read_text(encoding="utf-8").strip())):
            logging.getLogger(__name__).warning("%s; `thesis book` makes it anew", problem)


def _on_page(app, name: str, template: str, context: dict, doctree) -> None:
    """What Jupyter Book's theme and docutils put on every page, and a browser or a screen reader objects to."""
    # Live cells are switched off, and their script is still asked for twice.
    context["script_files"] = [script for script in context["script_files"] if "thebe" not in _source(script)]
    # A list must hold list items (ARIA 1.2); docutils' bibliography holds something else.
    context["body"] = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')


def _source(script: object) -> str:
    return f"{getattr(script, 'filename', script)} {getattr(script, 'attributes', {}).get('body', '')}".lower()


def _on_finished(app, error: Exception | None) -> None:
    if error is None:
        shutil.copyfile(pretrained.fetch("mathjax") / "tex-svg.js", Path(app.outdir) / "_static" / MATHJAX)


def _on_source_read(app, docname: str, source: list[str]) -> None:
    if _is_notebook(docname):
        path = executed(Path(app.srcdir), f"{Path(docname).name}.ipynb")
        text = path.read_text(encoding="utf-8") if path else source[0]
        source[0] = audio_to_files(text, Path(app.outdir) / "_audio", "../_audio")


def _on_outdated(app, env, added, changed, removed) -> list[str]:
    # The page depends on the run's notebook, whose date Sphinx does not look at.
    return [docname for docname in env.found_docs if _is_notebook(docname)]


def setup(app) -> dict[str, object]:
    """Sphinx extension entry point."""
    app.connect("config-inited", _on_config_inited)
    app.connect("builder-inited", _on_builder_inited)
    app.connect("source-read", _on_source_read)
    app.connect("env-get-outdated", _on_outdated)
    app.connect("html-page-context", _on_page, priority=900)  # after the theme
    app.connect("build-finished", _on_finished)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
