"""The stages that compute something from a corpus: embeddings, analyses, vocoders, compression."""

from typing import Annotated, cast

import typer

from thesis_lib.cli.options import Profile, RunDir, Scheduler, Set, run_of
from thesis_lib.config import TASKS, Task

phases = typer.Typer()
TaskName = Annotated[str, typer.Option("--task", help=f"Vocoder: {' or '.join(TASKS)}.")]


@phases.command()
def embed(profile: Profile = "demo", run_dir: RunDir = None, set_: Set = None, scheduler: Scheduler = None) -> None:
    """Compute speaker and emotion embeddings of both recordings of every utterance; resumes after an interruption.

    Example: thesis embed --profile demo
    Example: thesis embed --profile thesis --scheduler tcp://head:8786 --set encoders.device=cuda
    """
    from thesis_lib.runs.embed import embedded
    from thesis_lib.utils.progress import bar

    found = embedded(run_of(profile, run_dir, set_), bar, scheduler)
    typer.echo(f"speaker: {found.speaker_encoder}, {found.speaker['source'].shape[1]}-d, {len(found.ids)} pairs")
    typer.echo(f"emotion: {found.emotion_encoder}, {found.emotion['source'].shape[1]}-d, {len(found.ids)} pairs")


@phases.command()
def analyse(
    task: TaskName = "conversion",
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
    device: Annotated[
        str, typer.Option(help="Device of Whisper, for phonetic content: cpu, cuda or cuda:NUMBER.")
    ] = "cpu",
    scheduler: Scheduler = None,
) -> None:
    """Compute pitch and content features of the training and validation targets; resumes after an interruption.

    Example: thesis analyse --profile demo
    Example: thesis analyse --profile thesis --task conversion --scheduler tcp://head:8786
    Example: thesis analyse --profile human --device cuda
    """
    from thesis_lib.runs.analyse import analysed
    from thesis_lib.utils.progress import bar

    run = run_of(profile, run_dir, set_, device)
    kind = run.config.recipe(task).content.kind  # an unknown task is refused before the corpus is unpacked
    found = analysed(run, cast(Task, task), bar, scheduler)
    if not found:
        typer.echo(f"the content {kind!r} needs no analysis")
        return
    typer.echo(f"{len(found)} analyses of {kind!r}: {found[0].parent}")


@phases.command()
def train(
    task: TaskName = "resynthesis",
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
    devices: Annotated[int, typer.Option(min=1, help="Number of GPUs, or of processes on a CPU, on this machine.")] = 1,
    nodes: Annotated[
        int, typer.Option(min=1, help="Number of machines; start the command on each, by SLURM or torchrun.")
    ] = 1,
    accelerator: Annotated[str, typer.Option("--device", "--accelerator", help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a vocoder; interrupted, the same command continues from the last checkpoint.

    TASK.training.max_minutes limits reading, steps, validation and saving. Embeddings, analyses and a teacher's
    distillation targets are made before and stored, and their time is not counted.

    Example: thesis train --task conversion --set conversion.training.steps=500 --run-dir runs/longer
    """
    from thesis_lib.training import fabric_of
    from thesis_lib.training import train as run_training
    from thesis_lib.utils.progress import bar

    run = run_of(profile, run_dir, set_)
    # An unknown task is refused before the corpus is unpacked.
    fabric = fabric_of(run.config.recipe(task).training, devices, nodes, accelerator)
    fabric.launch()
    vocoder = run_training(run, cast(Task, task), bar, fabric)
    if not fabric.is_global_zero:
        return
    made = vocoder.description
    typer.echo(f"{made.steps} steps in {made.minutes} minutes: {run.path / task / 'vocoder'}")


@phases.command()
def compress(profile: Profile = "demo", run_dir: RunDir = None, set_: Set = None) -> None:
    """Build and measure model variants (float16, ONNX, int8) of the vocoder: size, speed and quality.

    Example: thesis compress --profile demo
    """
    from thesis_lib.compression import compress as run_compression
    from thesis_lib.utils.progress import bar

    table = run_compression(run_of(profile, run_dir, set_), bar)
    typer.echo(table.to_string(index=False, float_format="{:.3f}".format))
