"""Run the notebooks and build the book.

This module is also a Sphinx extension, named in _config.yml. ``jupyter-book build .`` then shows the executed
notebooks of the last run, or the committed ones in a fresh clone, and moves their audio to files beside the pages.
Formulas are rendered by a copy of MathJax beside the pages, so that no page needs the network.
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
LATEST = Path("runs") / "latest"  # names the run folder that the book shows
HIDING_TAGS = {"hide-input", "hide-cell", "hide-output", "remove-input", "remove-cell", "remove-output"}  # MyST-NB's
PDF_WAIT_MS = 60_000  # virtual time that Chromium waits for the formulas
MAX_ERROR_CHARS = 300  # of Chromium's output in an error


class BookError(ThesisError):
    """A notebook that failed, or a book that could not be built; the message names the remedy."""


def notebooks() -> list[Path]:
    """Return the project's notebooks, in order. Raises BookError outside the project's folder."""
    found = sorted((project_root() / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise BookError(f"no notebooks below {project_root()}: run this command inside the project's folder")
    return found


def run_notebook(source: Path, target: Path, parameters: dict[str, str]) -> None:
    """Execute a notebook with papermill and write it atomically to ``target``.

    Raises BookError for a parameter that the notebook does not have, and for a failed cell.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    unknown = set(parameters) - set(papermill.inspect_notebook(str(source)))
    if unknown:
        raise BookError(f"{source.name} has no parameter named {sorted(unknown)[0]!r}: add it to the parameters cell")
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
            stderr_file=sys.stderr,  # progress bars of the stages
        )
    except PapermillExecutionError as error:
        failed = target.with_name(f"failed-{target.name}")
        partial.replace(failed)
        raise BookError(f"{source.name}: {error.ename}: {error.evalue} (see the executed cells in {failed})") from error
    tree = json.loads(partial.read_text(encoding="utf-8"))
    tree["metadata"]["thesis"] = {"key": _key(source, parameters), "tables": _tables(target.parents[1])}
    write_text(target, json.dumps(tree, indent=1) + "\n")
    partial.unlink()


def _key(source: Path, parameters: dict[str, str]) -> str:
    """Digest of a notebook's cells, its parameters and the library's version."""
    cells = [[cell["cell_type"], cell["source"]] for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]]
    return hashlib.sha256(json.dumps([cells, parameters, __version__], sort_keys=True).encode()).hexdigest()


def _tables(folder: Path) -> dict[str, str]:
    """Fingerprint of each table of a run: file name -> fingerprint."""
    return {path.name: fingerprint(path) for path in sorted((folder / "tables").glob("*.csv"))}


def _parameters(run: Run) -> dict[str, str]:
    # Relative to the project where possible, because the page shows it.
    root = project_root()
    folder = run.path.relative_to(root) if run.path.is_relative_to(root) else run.path
    return {"profile": run.config.profile, "run_dir": str(folder)}


def run_notebooks(run: Run, progress: Progress = silent) -> None:
    """Execute the notebooks into the run's notebooks/; one that is up to date is not executed again.

    Raises BookError as ``run_notebook`` does.
    """
    sources, parameters = notebooks(), _parameters(run)
    for source in progress(sources, len(sources), "notebooks"):
        target = run.path / "notebooks" / source.name
        if _outdated(source, target, parameters):
            run_notebook(source, target, parameters)
    write_text(project_root() / LATEST, f"{parameters['run_dir']}\n")


def _outdated(source: Path, target: Path, parameters: dict[str, str]) -> list[str]:
    """Return the reasons why an executed notebook is out of date: changed cells, changed tables."""
    if not target.exists():
        return ["has not been executed"]
    done = json.loads(target.read_text(encoding="utf-8"))["metadata"].get("thesis", {})
    found = [] if done.get("key") == _key(source, parameters) else ["was executed from other cells"]
    now = _tables(target.parents[1])
    return found + [f"shows an older tables/{n}" for n, seen in done.get("tables", {}).items() if now.get(n) != seen]


def check(run: Run) -> list[str]:
    """Return a message for each table and notebook of a run that is older than its inputs; empty if there is none."""
    parameters = _parameters(run)
    found = [f"tables/{name}.csv: {why}" for name, reasons in run.stale().items() for why in reasons]
    for source in notebooks():
        reasons = _outdated(source, run.path / "notebooks" / source.name, parameters)
        found += [f"{source.name} {why}" for why in reasons]
    return found


def build_book(builder: str = "html") -> Path:
    """Build the book with warnings as errors; return the path of its index page. Raises BookError if it fails."""
    root = project_root()
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(root), "-n", "-W", "--keep-going"]
    if subprocess.run([*command, "--builder", builder], cwd=root, check=False).returncode:
        raise BookError("the book was not built: correct the warnings above and run thesis book again")
    return root / "_build" / builder / "index.html"


def find_chromium() -> str | None:
    """Return the path of the system's Chromium, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def print_pdf() -> Path:
    """Print the book as one PDF with an outline; return its path. Raises BookError without Chromium, or if it fails."""
    chromium = find_chromium()
    if not chromium:
        raise BookError("the PDF needs Chromium, which is not installed: apt-get install chromium")
    folder = build_book("singlehtml").parent
    # Sphinx writes the page into the main page's folder, but its links are relative to the folder above.
    page = shutil.copyfile(folder / "book" / "index.html", folder / "print.html")
    target = folder.parent / "pdf" / "book.pdf"
    target.parent.mkdir(exist_ok=True)
    options = ("--headless", "--no-sandbox", "--no-pdf-header-footer", "--generate-pdf-document-outline")
    wait = f"--virtual-time-budget={PDF_WAIT_MS}"
    with replacing(target) as partial:
        done = subprocess.run(
            [chromium, *options, wait, f"--print-to-pdf={partial}", page.as_uri()], capture_output=True, text=True
        )
        if done.returncode or not partial.stat().st_size:
            raise BookError(f"{chromium} could not print the book: {done.stderr.strip()[-MAX_ERROR_CHARS:]}")
    return target


def executed(root: Path, name: str) -> Path | None:
    """Return the path of the last run's executed notebook of that file name, or None."""
    latest = root / LATEST
    if not latest.exists():
        return None
    path = root / latest.read_text(encoding="utf-8").strip() / "notebooks" / name
    return path if path.exists() else None


def audio_to_files(text: str, folder: Path, link: str) -> str:
    """Write every MP3 inside a notebook's text to ``folder``; return the text with links to the files."""

    def move(match: re.Match) -> str:
        data = base64.b64decode(match[1])
        name = hashlib.sha256(data).hexdigest()[:16] + ".mp3"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        return f"{link}/{name}"

    return AUDIO.sub(move, text)


def fold_cells(text: str) -> str:
    """Tag a notebook's cells for its page: parameters are removed, code that prepares numbers for the prose is folded.

    A cell that has one of ``HIDING_TAGS`` keeps its own. The notebook's file, and so its key, stays as it is.
    """
    tree = json.loads(text)
    for cell in tree["cells"]:
        tags = cell["metadata"].get("tags", [])
        if {"parameters", "injected-parameters"} & set(tags):
            cell["metadata"]["tags"] = [*tags, "remove-cell"]
        elif cell["cell_type"] == "code" and "glue(" in "".join(cell["source"]) and not HIDING_TAGS & set(tags):
            cell["metadata"]["tags"] = [*tags, "hide-input"]
    return json.dumps(tree, ensure_ascii=False)


def _is_notebook(docname: str) -> bool:
    return docname.startswith("notebooks/")


def _on_config_inited(app, config) -> None:
    """Add buttons to Binder, Colab and the source if the book is published from a repository on GitHub."""
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
    """Warn of every page that is older than its results; the build treats warnings as errors."""
    from sphinx.util import logging

    latest = Path(app.srcdir) / LATEST
    if latest.exists():
        for problem in check(open_run(Path(app.srcdir) / latest.read_text(encoding="utf-8").strip())):
            logging.getLogger(__name__).warning("%s: run `thesis book` again", problem)


def _on_page(app, name: str, template: str, context: dict, doctree) -> None:
    """Remove from each page what the theme and docutils add and a browser or a screen reader rejects."""
    # Live cells are switched off, but the theme still requests their script twice.
    context["script_files"] = [script for script in context["script_files"] if "thebe" not in _source(script)]
    # A list must contain list items (ARIA 1.2); docutils' bibliography has another role.
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
        source[0] = fold_cells(audio_to_files(text, Path(app.outdir) / "_audio", "../_audio"))


def _on_outdated(app, env, added, changed, removed) -> list[str]:
    # The page depends on the run's notebook, and Sphinx does not check the date of that file.
    return [docname for docname in env.found_docs if _is_notebook(docname)]


def setup(app) -> dict[str, object]:
    """Connect the handlers: entry point of the Sphinx extension."""
    app.connect("config-inited", _on_config_inited)
    app.connect("builder-inited", _on_builder_inited)
    app.connect("source-read", _on_source_read)
    app.connect("env-get-outdated", _on_outdated)
    app.connect("html-page-context", _on_page, priority=900)  # after the theme
    app.connect("build-finished", _on_finished)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
