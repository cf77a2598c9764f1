"""``thesis models`` and ``thesis weights``: pretrained weights, and the package's own."""

from pathlib import Path
from typing import Annotated

import typer

from thesis_lib import pretrained
from thesis_lib.cli.options import Profile, RunDir, Set, run_of

weights = typer.Typer(no_args_is_help=True, help="Pretrained weights: list, fetch, verify.")
released = typer.Typer(no_args_is_help=True, help="The package's own weights: how they were made.")


@weights.command("list")
def list_models() -> None:
    """Every weight with its size, licence and whether it is cached.

    Example: thesis models list
    """
    for name, weight in pretrained.REGISTRY.items():
        cached = "cached" if pretrained.is_cached(name) else "-"
        typer.echo(f"{name:18} {weight.size / 1e6:7.1f} MB  {cached:7} {weight.licence:11} {weight.title}")
        typer.echo(f"{'':18} {weight.citation}; {weight.homepage}")
    typer.echo(f"{'emotion2vec':18} from its hub on first use, at a pinned commit: no mirror is known")
    typer.echo(f"cache: {pretrained.models_dir()}")


@weights.command("fetch")
def fetch_models(names: Annotated[list[str], typer.Argument(help="Names from the list, or 'all'.")]) -> None:
    """Download weights and check their hashes.

    Example: thesis models fetch ecapa hifigan-universal
    """
    for name in pretrained.REGISTRY if names == ["all"] else names:
        typer.echo(f"{name}: {pretrained.fetch(name)}")


@weights.command("verify")
def verify_models() -> None:
    """Check the hash of every cached weight; exit 1 when one is wrong.

    Example: thesis models verify
    """
    wrong = 0
    for name, weight in pretrained.REGISTRY.items():
        folder = pretrained.models_dir() / name
        found = pretrained.problems(weight, folder)
        bad = [file for file, why in found.items() if why != "missing"]
        state = "not cached" if found and not bad else "wrong: " + ", ".join(bad) if bad else "ok"
        wrong += bool(bad)
        typer.echo(f"{name:18} {state}")
    if wrong:
        typer.echo("a wrong file is fetched anew by `thesis models fetch NAME`", err=True)
        raise typer.Exit(1)


@weights.command("push")
def push_model(
    vocoder: Annotated[Path, typer.Argument(help="A vocoder's folder.")],
    repository: Annotated[str, typer.Argument(help="owner/name on the model hub.")],
    private: Annotated[bool, typer.Option(help="For its owner's eyes only.")] = False,
) -> None:
    """Publish a trained vocoder with its model card.

    Example: thesis models push runs/demo/conversion/vocoder me/spanish-to-english
    """
    from thesis_lib.vocoder.hub import upload

    typer.echo(upload(vocoder, repository, private))


@released.command("reproduce")
def reproduce_weights(profile: Profile = "released", run_dir: RunDir = None, set_: Set = None) -> None:
    """Speak the corpus, train, and replace the package's weights: hours for the corpus, minutes of a GPU; resumable.

    Example: thesis weights reproduce
    """
    from thesis_lib.training.released import reproduce
    from thesis_lib.utils.progress import bar

    reproduce(run_of(profile, run_dir, set_), progress=bar, say=typer.echo)
