"""``thesis runs``: list, show and compare earlier runs."""

import json
from pathlib import Path
from typing import Annotated

import typer

ROLE = " (its network {} the vocoder, which favours it)"

history = typer.Typer(no_args_is_help=True, help="Runs: list, show, compare.")


@history.command("list")
def list_runs(root: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs")) -> None:
    """List the runs with their profile, training steps and minutes.

    Example: thesis runs list
    """
    from thesis_lib.runs.history import runs

    found = runs(root)
    typer.echo(found.to_string(index=False) if len(found) else f"no runs in {root}")


@history.command("show")
def show_run(run: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """Show how a run's settings differ from its profile, and its results.

    Example: thesis runs show runs/demo
    """
    from thesis_lib.runs.commands import profile_of
    from thesis_lib.runs.history import differences, open_run, results, roles

    opened = open_run(run)
    changed = differences(profile_of(opened.config), opened.config)
    typer.echo(f"profile {opened.config.profile}, configuration {opened.config.digest()}")
    for row in changed.itertuples():
        typer.echo(f"  {row.setting} = {json.dumps(row.second)} instead of {json.dumps(row.first)}")
    known = roles(opened)
    for name, value in results(opened).items():
        typer.echo(f"{value:12.4g}  {name}{ROLE.format(known[name]) if name in known else ''}")


@history.command("compare")
def compare_runs(
    first: Annotated[Path, typer.Argument(help="A run folder.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
) -> None:
    """Compare two runs: the settings that differ, and the results of both.

    Example: thesis runs compare runs/demo runs/longer
    """
    from thesis_lib.runs.history import compare, differences, open_run

    one, other = open_run(first), open_run(second)
    for table in (differences(one.config, other.config), compare(one, other)):
        typer.echo(table.to_string(index=False, float_format="{:.4g}".format) + "\n")
