"""``thesis models`` and ``thesis weights``: pretrained weights, and the released ones."""

from pathlib import Path
from typing import Annotated

import typer

from thesis_lib import pretrained
from thesis_lib.cli.options import Profile, RunDir, Scheduler, Set, run_of

weights = typer.Typer(no_args_is_help=True, help="Pretrained weights: list, fetch, verify.")
released = typer.Typer(no_args_is_help=True, help="The released weights: reproduce them.")


@weights.command("list")
def list_models() -> None:
    """List the pretrained weights with their size, licence and whether they are cached.

    Example: thesis models list
    """
    for name, weight in pretrained.REGISTRY.items():
        cached = "cached" if pretrained.is_cached(name) else "-"
        typer.echo(f"{name:18} {weight.size / 1e6:7.1f} MB  {cached:7} {weight.licence:11} {weight.title}")
        typer.echo(f"{'':18} {weight.citation}; {weight.homepage}")
    typer.echo(f"{'emotion2vec':18} from its hub on first use, at a pinned commit; no mirror")
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
        typer.echo("fetch a wrong file again with `thesis models fetch NAME`", err=True)
        raise typer.Exit(1)


@weights.command("push")
def push_model(
    vocoder: Annotated[Path, typer.Argument(help="A vocoder's folder.")],
    repository: Annotated[str, typer.Argument(help="owner/name on the model hub.")],
    private: Annotated[bool, typer.Option(help="Visible to its owner only.")] = False,
) -> None:
    """Publish a trained vocoder with its model card.

    Example: thesis models push runs/demo/conversion/vocoder me/spanish-to-english
    """
    from thesis_lib.vocoder.hub import upload

    typer.echo(upload(vocoder, repository, private))


@released.command("reproduce")
def reproduce_weights(
    profile: Profile = "released",
    run_dir: RunDir = None,
    set_: Set = None,
    accelerator: Annotated[str, typer.Option("--device", "--accelerator", help="auto, cpu or cuda.")] = "auto",
    scheduler: Scheduler = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; by default the released weights.")] = None,
) -> None:
    """Train the released weights of a profile and replace them; interrupted, it continues.

    The profile human makes the default ones, from corpora of human speech: sixteen minutes on an H100 with
    training.cuda_graph. The profile released makes the small ones: one to three hours for a synthetic corpus and an
    hour for embeddings and analyses on two cores, then eight minutes on an H200, or some thirty hours on two cores.

    Example: thesis weights reproduce
    Example: thesis weights reproduce --device cuda --set encoders.device=cuda
    Example: thesis weights reproduce --profile human --device cuda --set conversion.training.cuda_graph=true --out new
    """
    from thesis_lib.training.released import reproduce_weights
    from thesis_lib.utils.progress import bar

    run = run_of(profile, run_dir, set_)
    reproduce_weights(run, out, bar, typer.echo, accelerator, scheduler)


@released.command("emotion")
def reproduce_emotion_encoder(
    recordings: Annotated[Path, typer.Argument(help="Folder with utterances.tsv: path, speaker, emotion, sentence.")],
    reading: Annotated[
        Path | None, typer.Option(help="Folder with utterances.tsv of read speech, for the speaker offsets.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write; by default the released weights.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder of the recordings' statistics.")] = Path("build/emotion"),
) -> None:
    """Train the emotion encoder on acted speech, and replace its weights and model card; interrupted, it continues.

    Rows that the table marks "measure only" are left out. A quarter of an hour on two cores for EmoDB.

    Example: thesis weights emotion emotion --reading human_train
    """
    from thesis_lib.embeddings.encoders.emotion_numpy import DEFAULT_FOLDER
    from thesis_lib.training.emotion import reproduce
    from thesis_lib.utils.progress import bar

    reproduce(recordings, reading, out or DEFAULT_FOLDER, cache, progress=bar, say=typer.echo)


@released.command("tts")
def reproduce_tts_student(
    out: Annotated[Path | None, typer.Option(help="Where to write; by default the released weights.")] = None,
    cache: Annotated[Path, typer.Option(help="Folder of the utterances that Kokoro has spoken.")] = Path("build/tts"),
    check: Annotated[
        bool, typer.Option("--check", help="Train nothing: measure the weights, write their card.")
    ] = False,
) -> None:
    """Train the student of the TTS's generator, which `thesis clone` uses, and replace its weights and model card.

    Interrupted, it continues with the utterances that have been spoken; they take 0.5 GB. About forty minutes on two
    cores.

    Example: thesis weights tts --out new
    Example: thesis weights tts --out new --check
    """
    from thesis_lib.cloning.tts_student import FOLDER
    from thesis_lib.training.tts import check_student, reproduce_student
    from thesis_lib.utils.progress import bar

    (check_student if check else reproduce_student)(out or FOLDER, cache, progress=bar, say=typer.echo)
