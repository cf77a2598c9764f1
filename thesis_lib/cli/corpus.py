"""``thesis download``, ``prepare`` and ``manifest``: fetch, prepare and inspect the corpus."""

import re
import shlex
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from thesis_lib.cli.options import Profile, RunDir, Scheduler, Set, config_of, run_folder, run_of
from thesis_lib.config.registries import CORPORA

MAX_NOTES = 3  # that a warning quotes

corpus = typer.Typer()
manifest = typer.Typer(no_args_is_help=True, help="Inspect and verify a prepared corpus.")


@corpus.command()
def download(
    name: Annotated[
        str,
        typer.Argument(
            help="librispeech, libritts-r, vctk, speechocean762, common-voice, mls-spanish, or cvss-t; "
            "without --to, a folder for cvss-t, which exists or has a / in its name."
        ),
    ],
    to: Annotated[Path | None, typer.Option(help="Folder of the corpus; `corpus.root` of later commands.")] = None,
    subset: Annotated[
        list[str] | None, typer.Option(help="Subset, such as train-clean-100; repeatable. Not of cvss-t.")
    ] = None,
    archive: Annotated[
        str | None,
        typer.Option(
            "--archive",
            "--common-voice",
            help="Common Voice: its signed link, or the downloaded archive. Others: a mirror's address, or a file.",
        ),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(help="The archive's published sha256, to be compared before unpacking. Not of cvss-t.")
    ] = None,
    keep: Annotated[bool, typer.Option(help="Keep the archives after unpacking.")] = False,
    set_: Set = None,
) -> None:
    """Download a corpus from its official address, check it by the published md5, unpack it; resumes when interrupted.

    Example: thesis download librispeech --subset train-clean-100 --to corpora/librispeech
    Example: thesis download common-voice --archive cv-corpus-es.tar.gz --to corpora/common-voice-es
    Example: thesis download cvss-t --common-voice es.tar.gz --to corpora/cvss
    """
    from thesis_lib.corpus.errors import CorpusError
    from thesis_lib.corpus.fetch import fetch_corpus, fetch_cvss_t, known_corpora
    from thesis_lib.corpus.readers import READERS
    from thesis_lib.utils.progress import bar

    def say(text: str) -> None:
        typer.echo(text, err=True)

    if to is None and name not in CORPORA and ("/" in name or "\\" in name or Path(name).is_dir()):
        name, to = "cvss-t", Path(name)
    if name not in known_corpora():
        known = ", ".join(known_corpora())
        cvss = f"thesis download cvss-t --to {shlex.quote(name)} --common-voice FILE_OR_LINK"
        raise CorpusError(f"no corpus named {name!r} to download; known: {known}. A folder for CVSS-T: {cvss}")
    if to is None:
        raise typer.BadParameter(f"name the folder: thesis download {name} --to FOLDER", param_hint="--to")
    chosen = f"--set {shlex.quote(f'corpus.root={to}')}"
    if name == "cvss-t":
        if subset or sha256:
            raise typer.BadParameter("cvss-t has no subsets and no published sha256", param_hint="--subset, --sha256")
        fetch_cvss_t(to, config_of("thesis", set_).corpus, archive, keep, bar, say)
    else:
        if set_:
            raise typer.BadParameter(f"{name} has no settings of the download: leave --set out", param_hint="--set")
        fetch_corpus(name, to, subset or (), archive, keep, bar, say, sha256)
        reader = READERS[name]
        limits = f"--set corpus.min_duration={reader.min_duration:g} --set corpus.max_duration={reader.max_duration:g}"
        chosen = f"--set corpus.name={name} {chosen} {limits}"
    typer.echo(f"thesis prepare --profile thesis {chosen}")


@corpus.command()
def prepare(profile: Profile = "demo", run_dir: RunDir = None, set_: Set = None, scheduler: Scheduler = None) -> None:
    """Prepare the corpus: manifest, 22.05 kHz recordings, rejected rows, data card; resumes after an interruption.

    Example: thesis prepare --profile thesis --set corpus.root=corpora/cvss --set corpus.subset=2900
    Example: thesis prepare --profile thesis --set corpus.root=corpora/cvss --scheduler tcp://head:8786
    Example: thesis prepare --run-dir runs/own --set corpus.name=speakers --set corpus.root=recordings
    """
    from thesis_lib.runs.prepare import prepared
    from thesis_lib.utils.progress import bar

    found = prepared(run_of(profile, run_dir, set_), bar, scheduler)
    _stats(found)
    for warning in warnings_of(found):
        typer.echo(f"warning: {warning}", err=True)


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
            who = re.sub("[0-9a-f]{32,}", lambda found: found[0][:8], row.speaker)  # Common Voice's ids are hashes
            typer.echo(f"{row.split:10} {who}  {row.id}  {seconds}  {row.source_text} | {row.target_text}")
    if len(rows) > limit:
        typer.echo(f"… and {len(rows) - limit} more (--limit)", err=True)


@manifest.command()
def stats(profile: Profile = "demo", run_dir: RunDir = None) -> None:
    """Count utterances, hours and speakers of each split, sources, bandwidths, and rejected rows by reason.

    Example: thesis manifest stats --profile thesis
    """
    _stats(_of(profile, run_dir))


@manifest.command()
def verify(profile: Profile = "demo", run_dir: RunDir = None) -> None:
    """Read every recording and compare it with the manifest; exit 1 when one is missing, damaged or changed.

    Example: thesis manifest verify --profile thesis
    """
    from thesis_lib.corpus.card import unit_of
    from thesis_lib.corpus.verify import verify as problems_of
    from thesis_lib.utils.progress import bar

    found = _of(profile, run_dir)
    problems = problems_of(found.folder, bar)
    typer.echo("\n".join(problems) or f"{len(found)} {unit_of(found.table())}, all as the manifest says")
    raise typer.Exit(bool(problems))


@manifest.command()
def leak(profile: Profile = "demo", run_dir: RunDir = None, set_: Set = None) -> None:
    """Search for speakers in two splits under two ids, by the speaker embeddings that `thesis embed` has computed.

    Example: thesis manifest leak --profile thesis --set corpus.root=corpora/cvss
    """
    from thesis_lib.validation.metrics.leak import DETECTION_RATE
    from thesis_lib.validation.speaker_leak import leaks

    run = run_of(profile, run_dir, set_)
    for (split, other), found in leaks(run).items():
        suspects = int(found.suspects.sum())
        typer.echo(
            f"{split}, {other}: {suspects} of {len(found.speakers)} speakers may be in both splits "
            f"(cosine >= {found.threshold:.2f}, exceeded by {100 * DETECTION_RATE:.0f} % of same-speaker pairs); "
            f"false-alarm rate {100 * found.false_alarms:.1f} %"
        )
        for i in sorted(found.suspects.nonzero()[0], key=lambda i: -found.cosines[i]):
            typer.echo(f"  {found.speakers[i][:16]}  {found.nearest[i][:16]}  {found.cosines[i]:.2f}")


def _of(profile: str, run_dir: Path | None):
    """The manifest of a run's folder, of any configuration."""
    from thesis_lib.corpus.manifest import Manifest

    return Manifest.load(run_folder(profile, run_dir) / "corpus")


def warnings_of(found) -> list[str]:
    """Return warnings: an empty split, most rows rejected for one reason, repaired recordings, gaps."""
    from thesis_lib.corpus.reasons import CHOSEN, explained

    empty = [name for name in ("train", "validation", "test") if not found.split(name)]
    warnings = [f"the {name} split is empty: download a subset that has it, or give splits" for name in empty]
    if noted := [utterance for utterance in found if utterance.notes]:
        text = "; ".join(dict.fromkeys(utterance.notes for utterance in noted[:MAX_NOTES]))
        warnings.append(f"{len(noted)} of {len(found)} rows have notes on their recordings: {text}")
    counts = Counter(reject.reason for reject in found.rejects if reject.reason not in CHOSEN)
    rows = len(found) + sum(counts.values())
    return warnings + [
        f"{count} of {rows} rows are rejected for one reason, {reason} ({explained().get(reason.split(': ')[-1], '')})"
        for reason, count in counts.items()
        if 2 * count > rows
    ]


def _stats(found) -> None:
    from thesis_lib.corpus.card import bandwidth_table, known, rejects_table, sources_table, splits_table, unit_of

    table = found.table()
    shown = [splits_table(table), *(known(table, column) for column in ("gender", "age"))]
    shown += [sources_table(table), bandwidth_table(table)]
    for rows in [*shown, rejects_table(found)]:
        if len(rows):
            typer.echo(rows.to_string(index=False) + "\n")
    typer.echo(f"{len(found)} {unit_of(table)}, {len(found.rejects)} rows left out: {found.folder / 'rejects.jsonl'}")
