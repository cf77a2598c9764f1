"""The command ``thesis``: each verb calls the function that the notebook's cell calls."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from thesis_lib.cli.cloning import cloning
from thesis_lib.cli.corpus import corpus, manifest
from thesis_lib.cli.evaluation import evaluation, listening
from thesis_lib.cli.history import history
from thesis_lib.cli.options import Profile, RunDir, Set, config_of, run_of
from thesis_lib.cli.phases import phases
from thesis_lib.cli.vocoder import vocoders
from thesis_lib.cli.weights import released, weights
from thesis_lib.utils.errors import ThesisError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


def _settings(
    offline: Annotated[bool, typer.Option(help="Use cached weights only; download nothing.")] = False,
    models_dir: Annotated[Path | None, typer.Option(help="Where weights are cached, or your own copies lie.")] = None,
) -> None:
    # The environment carries both to worker processes and notebook kernels.
    if offline:
        os.environ["THESIS_OFFLINE"] = "1"
    if models_dir:
        os.environ["THESIS_MODELS_DIR"] = str(models_dir.resolve())


app.callback()(_settings)


@app.command()
def config(profile: Profile = "demo", set_: Set = None) -> None:
    """Print a configuration as JSON.

    Example: thesis config --profile smoke --set training.steps=20
    """
    typer.echo(config_of(profile, set_).model_dump_json(indent=2))


for verbs in (corpus, phases, evaluation, cloning, vocoders):
    app.add_typer(verbs)
groups = {"models": weights, "weights": released, "manifest": manifest, "runs": history, "listening": listening}
for name, verbs in groups.items():
    app.add_typer(verbs, name=name)


@app.command()
def book(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Build the pages after the notebooks.")] = True,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also print the whole book; needs Chromium.")] = False,
    check: Annotated[bool, typer.Option(help="Only say which numbers are older than what they come from.")] = False,
) -> None:
    """Run notebooks 01–08 and build the Jupyter Book; interrupted, it goes on where it was.

    Example: thesis book --profile smoke
    Example: thesis book --pdf
    """
    from thesis_lib.reporting.book import build, print_pdf, run_notebooks
    from thesis_lib.reporting.book import check as problems_of
    from thesis_lib.utils.progress import bar

    if check:
        found = problems_of(run_of(profile, run_dir, None))
        typer.echo("\n".join(found) or "every number is as new as what it comes from")
        raise typer.Exit(bool(found))
    run_notebooks(run_of(profile, run_dir, None), bar)
    if html:
        typer.echo(f"the book: {build()}")
    if pdf:
        typer.echo(f"the book, printed: {print_pdf()}")


def main() -> None:
    """Entry point: a foreseen error is one line on stderr and exit 2 (130 when interrupted)."""
    try:
        app()
    except (ThesisError, OSError) as error:
        typer.echo(f"thesis: {error}", err=True)
        sys.exit(error.exit_code if isinstance(error, ThesisError) else 2)
