"""Translate Spanish speech into English speech in a similar voice; train and evaluate the vocoders."""

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
from thesis_lib.cli.serving import serving
from thesis_lib.cli.vocoder import vocoders
from thesis_lib.cli.weights import released, weights
from thesis_lib.utils.errors import ThesisError
from thesis_lib.utils.extras import remedy
from thesis_lib.utils.process import set_up

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


def _settings(
    offline: Annotated[bool, typer.Option(help="Use cached weights only; download nothing.")] = False,
    models_dir: Annotated[Path | None, typer.Option(help="Folder of cached weights, or of your own copies.")] = None,
) -> None:
    # Set in the environment, so that worker processes and notebook kernels inherit both.
    if offline:
        os.environ["THESIS_OFFLINE"] = "1"
    if models_dir:
        os.environ["THESIS_MODELS_DIR"] = str(models_dir.resolve())


app.callback()(_settings)


@app.command()
def config(profile: Profile = "demo", set_: Set = None) -> None:
    """Print the configuration as JSON.

    Example: thesis config --profile smoke --set resynthesis.training.steps=20
    """
    typer.echo(config_of(profile, set_).model_dump_json(indent=2))


for verbs in (corpus, phases, evaluation, cloning, serving, vocoders):
    app.add_typer(verbs)
groups = {"models": weights, "weights": released, "manifest": manifest, "runs": history, "listening": listening}
for name, verbs in groups.items():
    app.add_typer(verbs, name=name)


@app.command()
def book(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Build the pages after running the notebooks.")] = True,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also print the book as one PDF; needs Chromium.")] = False,
    check: Annotated[bool, typer.Option(help="Only report results that are older than their inputs.")] = False,
) -> None:
    """Run notebooks 01–08 and build the Jupyter Book; continue where an interrupted run stopped.

    Example: thesis book --profile smoke
    Example: thesis book --pdf
    """
    from thesis_lib.reporting.book import build_book, print_pdf, run_notebooks
    from thesis_lib.reporting.book import check as problems_of
    from thesis_lib.utils.progress import bar

    if check:
        found = problems_of(run_of(profile, run_dir, None))
        typer.echo("\n".join(found) or "every result is up to date")
        raise typer.Exit(bool(found))
    run_notebooks(run_of(profile, run_dir, None), bar)
    if html:
        typer.echo(f"book: {build_book()}")
    if pdf:
        typer.echo(f"book as PDF: {print_pdf()}")


def main() -> None:
    """Run the command line; an expected error is one line on stderr and exit status 2 (130 if interrupted)."""
    set_up()
    try:
        app()
    except (ThesisError, OSError) as error:
        typer.echo(f"thesis: {error}", err=True)
        sys.exit(error.exit_code if isinstance(error, ThesisError) else 2)
    except ImportError as error:
        if not (missing := remedy(error)):
            raise
        typer.echo(f"thesis: {missing}", err=True)
        sys.exit(2)
