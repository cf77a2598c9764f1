"""Commands of the evaluation: validate, swap-test, ablate, and the listening test."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thesis_lib.cli.options import Device, Pairs, Profile, RunDir, Set, run_of

if TYPE_CHECKING:
    from thesis_lib.runs.folder import Run

evaluation = typer.Typer()
listening = typer.Typer(no_args_is_help=True, help="A listening test: build it, analyse its answers.")


@evaluation.command()
def validate(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
    device: Device = "cpu",
    pairs: Pairs = None,
) -> None:
    """Measure the trained vocoders on held-out speakers, beside references, with intervals.

    Then the speaker test of the conversion vocoder: identification and acceptance, beside trivial systems.
    Needs the embeddings of both sides (thesis embed) and both vocoders (thesis train). Interrupted, the same command
    resumes.

    Example: thesis validate --profile demo
    """
    from thesis_lib.reporting import settings_table, summary_table
    from thesis_lib.runs.folder import RunError
    from thesis_lib.utils.progress import bar
    from thesis_lib.validation import validate as run_validation
    from thesis_lib.validation import validate_pairs
    from thesis_lib.validation.speaker_test import speaker_test

    run = run_of(profile, run_dir, set_, device)
    run_validation(run, bar)
    summary = run.load_table("validation_summary")
    typer.echo(summary_table(summary, run.load_table("validation_comparisons")).to_string(index=False))
    typer.echo("* better than every other vocoder, p < 0.05 after Holm's correction, over speakers")
    typer.echo("† favours a vocoder: measured by a network that conditions it, computes its content or trained it\n")
    typer.echo(settings_table(summary).to_string(index=False))
    typer.echo(f"not measured: {len(run.load_table('validation_not_measured'))}, with reasons in {run.path / 'tables'}")
    try:
        speaker_test(run, bar)
    except RunError as error:
        typer.echo(f"speaker test: not measured: {error}")
    else:
        _print_speakers(run)
    if pairs:
        validate_pairs(run, pairs, bar)
        typer.echo("\n" + run.load_table("pairs_summary").to_string(index=False, float_format="{:.3f}".format))
    encoders = run.load_json("validation_encoders")
    typer.echo("encoders: " + ", ".join(f"{column} = {name}" for column, name in encoders.items()))


def _print_speakers(run: "Run") -> None:
    """Print the speaker test: systems, chance levels, and gains over the best trivial system."""
    from thesis_lib.reporting import gains_table, speakers_table

    about = ", ".join(f"{what}: {value}" for what, value in run.load_json("speakers_about").items())
    typer.echo(f"\nspeaker test ({about})")
    for table in (
        speakers_table(run.load_table("speakers_summary")),
        gains_table(run.load_table("speakers_gains")),
    ):
        typer.echo(table.to_string(index=False) + "\n")


@evaluation.command("swap-test")
def swap_test(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
    device: Device = "cpu",
    json_: Annotated[bool, typer.Option("--json", help="Print the summaries as one JSON object.")] = False,
) -> None:
    """Run the speaker and style swap: the same content with the embedding of another speaker, or of another style.

    Example: thesis swap-test --profile demo --set swap.human=my_recordings
    """
    from thesis_lib.utils.progress import bar
    from thesis_lib.validation import swap

    run = run_of(profile, run_dir, set_, device)
    swap.swap_test(run, bar)
    speakers = run.load_table("swap_summary")
    trials = swap.style_swap(run, bar)
    missing = run.load_table("style_swap_not_measured")
    styles = swap.style_summary(trials, run.config.swap.seed, missing=missing)
    if json_:
        typer.echo(json.dumps({"speaker": speakers.to_dict("records"), "style": styles.to_dict("records")}))
    else:
        for table in (speakers, styles):
            typer.echo(table.to_string(index=False, float_format="{:.3f}".format) + "\n")


@evaluation.command()
def ablate(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
    device: Annotated[
        str, typer.Option(help="Device of the trainings and of the vocoders: auto, cpu or cuda.")
    ] = "auto",
) -> None:
    """Measure the contribution of each loss: train with one setting changed at a time, several seeds each.

    With the profile released: the parts of the released recipe (data, losses, size), scored by the speaker test, word
    errors and predicted opinion. 12 variants of 3 seeds and 2,500 steps: some five minutes each on one GPU, three hours
    in all (estimated, not measured). It needs the synthetic corpus (scripts/build_wide_corpus.py) and human corpora,
    and names the command for each that is missing.

    Interrupted, the same command resumes with the next variant and seed.

    Example: thesis ablate --profile demo --set ablation.seeds=5
    Example: thesis ablate --profile released --device cuda
    Example: thesis ablate --profile released --set 'ablation.human=[{"name": "speakers", "root": "recordings"}]'
    """
    from thesis_lib.utils.progress import bar
    from thesis_lib.validation.ablation import ablate as run_ablation

    run = run_of(profile, run_dir, set_)
    typer.echo(run_ablation(run, bar, device).to_string(index=False, float_format="{:.3f}".format))
    for row in run.load_table("ablation_not_measured").itertuples():
        typer.echo(f"not measured: {row.variant}: {row.reason}")
    if run.config.ablation.grid == "released":
        for row in run.load_table("ablation_verdicts").fillna("").itertuples():
            typer.echo(f"{row.loss}: {row.verdict}. {row.evidence}")


@listening.command("build")
def build_listening(
    folder: Annotated[Path, typer.Argument(help="A new folder for the test.")],
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
) -> None:
    """Write a listening test that runs in any browser, without a network.

    Example: thesis listening build my-test --profile demo
    """
    from thesis_lib.utils.progress import bar
    from thesis_lib.validation.listening import build_listening_test

    run = run_of(profile, run_dir, set_)
    page = build_listening_test(run, folder, bar, lambda text: typer.echo(text, err=True))
    typer.echo(f"open {page}; the key stays in {run.path / 'listening'}")


@listening.command("analyse")
def analyse_listening(
    answers: Annotated[list[Path], typer.Argument(help="The raters' files.")],
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
) -> None:
    """Summarise MUSHRA, MOS and voice choices with intervals, after screening the raters.

    Example: thesis listening analyse answers/*.json --profile demo
    """
    from thesis_lib.validation.listening import analyse_answers

    run = run_of(profile, run_dir, set_)
    typer.echo(analyse_answers(run, answers).to_string(index=False, float_format="{:.2f}".format))
    for row in run.load_table("listening_raters").itertuples():
        if not row.kept:
            typer.echo(f"excluded: {row.rater} ({row.file}): {row.reason}")
