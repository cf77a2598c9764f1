"""``thesis download``, ``prepare`` and ``manifest``: fetch, prepare and inspect the corpus."""

from pathlib import Path
from typing import Annotated

import typer

from thesis_lib.cli.options import Profile, RunDir, Scheduler, Set, config_of, run_of

corpus = typer.Typer()
manifest = typer.Typer(no_args_is_help=True, help="Inspect and verify a prepared corpus.")


@corpus.command()
def download(
    folder: Annotated[Path, typer.Argument(help="Folder of the corpus; `corpus.root` of later commands.")],
    common_voice: Annotated[
        str | None, typer.Option(help="Signed link to Common Voice 4, Spanish, or the downloaded archive.")
    ] = None,
    keep: Annotated[bool, typer.Option(help="Keep the archives after unpacking.")] = False,
    set_: Set = None,
) -> None:
    """Download CVSS-T es→en, CoVoST's table and Common Voice; interrupted, it continues where it was.

    Example: thesis download corpora/cvss --common-voice es.tar.gz
    """
    from thesis_lib.corpus.fetch import fetch
    from thesis_lib.utils.progress import bar

    fetch(folder, config_of("thesis", set_).corpus, common_voice, keep, bar, lambda text: typer.echo(text, err=True))
    typer.echo(f"thesis prepare --profile thesis --set corpus.root={folder}")


@corpus.command()
def prepare(profile: Profile = "demo", run_dir: RunDir = None, set_: Set = None, scheduler: Scheduler = None) -> None:
    """Prepare the corpus: manifest, 22.05 kHz recordings, rejected rows, data card; it continues where it was.

    Example: thesis prepare --profile thesis --set corpus.root=corpora/cvss --set corpus.subset=2900
    Example: thesis prepare --profile thesis --set corpus.root=corpora/cvss --scheduler tcp://head:8786
    """
    from thesis_lib.runs.prepare import prepared
    from thesis_lib.utils.progress import bar

    found = prepared(run_of(profile, run_dir, set_), bar, scheduler)
    _stats(found)


@manifest.command()
def show(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    split: Annotated[str | None, typer.Option(help="Only this split: train, validation or test.")] = None,
    speaker: Annotated[str | None, typer.Option(help="Only speakers with an id that starts with this.")] = None,
    rejects: Annotated[bool, typer.Option(help="Show the rejected rows with their reasons instead.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of rows.")] = 20,
    json_: Annotated[bool, typer.Option("--json", help="Print one line of JSON a row.")] = False,
) -> None:
    """Show the rows of a manifest.

    Example: thesis manifest show --split test --limit 5
    Example: thesis manifest show --profile thesis --rejects --limit 100000 --json
    """
    found = _of(profile, run_dir)
    rows = found.rejects if rejects else found.utterances
    rows = [row for row in rows if split in (None, row.split)]
    if speaker:
        rows = [row for row in rows if getattr(row, "speaker", "").startswith(speaker)]
    for row in rows[:limit]:
        if json_:
            typer.echo(row.model_dump_json())
        elif rejects:
            typer.echo(f"{row.split:10} {row.id}  {row.reason}  {row.detail}")
        else:
            seconds = f"{row.source_duration:.1f} s, {row.target_duration:.1f} s"
            typer.echo(f"{row.split:10} {row.speaker[:8]}  {row.id}  {seconds}  {row.source_text} | {row.target_text}")
    if len(rows) > limit:
        typer.echo(f"… and {len(rows) - limit} more (--limit)", err=True)


@manifest.command()
def stats(profile: Profile = "demo", run_dir: RunDir = None) -> None:
    """Count pairs, hours and speakers of each split, and rejected rows by reason.

    Example: thesis manifest stats --profile thesis
    """
    _stats(_of(profile, run_dir))


@manifest.command()
def verify(profile: Profile = "demo", run_dir: RunDir = None) -> None:
    """Read every recording and compare it with the manifest; exit 1 when one is missing, damaged or changed.

    Example: thesis manifest verify --profile thesis
    """
    from thesis_lib.corpus.verify import verify as problems_of
    from thesis_lib.utils.progress import bar

    found = _of(profile, run_dir)
    problems = problems_of(found.folder, bar)
    typer.echo("\n".join(problems) or f"{len(found)} pairs, all as the manifest says")
    raise typer.Exit(bool(problems))


@manifest.command()
def leak(profile: Profile = "demo", run_dir: RunDir = None, set_: Set = None, scheduler: Scheduler = None) -> None:
    """Search for speakers in two splits under two ids, by speaker embeddings.

    Example: thesis manifest leak --profile thesis --set corpus.root=corpora/cvss
    """
    from thesis_lib.utils.progress import bar
    from thesis_lib.validation.speaker_leak import leaks

    run = run_of(profile, run_dir, set_)
    for (part, other), found in leaks(run, bar, scheduler).items():
        suspects = int(found.suspects.sum())
        typer.echo(
            f"{part} against {other}: {suspects} of {len(found.speakers)} speakers are as similar to one of the other "
            f"split as recordings of one speaker are (cosine {found.threshold:.2f}); so are "
            f"{100 * found.false_alarms:.1f} % of the pairs of two different speakers"
        )
        for i in sorted(found.suspects.nonzero()[0], key=lambda i: -found.cosines[i]):
            typer.echo(f"  {found.speakers[i][:16]}  {found.nearest[i][:16]}  {found.cosines[i]:.2f}")


def _of(profile: str, run_dir: Path | None):
    """The manifest of a run's folder, of any configuration."""
    from thesis_lib.corpus.manifest import Manifest
    from thesis_lib.runs.folder import project_root

    return Manifest.load(project_root() / (run_dir or Path("runs") / profile) / "corpus")


def _stats(found) -> None:
    from thesis_lib.corpus.card import known, rejects_table, splits_table

    table = found.table()
    shown = [splits_table(table), *(known(table, column) for column in ("gender", "age"))]
    for rows in [*shown, rejects_table(found)]:
        if len(rows):
            typer.echo(rows.to_string(index=False) + "\n")
    typer.echo(f"{len(found)} pairs, {len(found.rejects)} rows left out: {found.folder / 'rejects.jsonl'}")
