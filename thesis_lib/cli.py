"""The command ``thesis``: each verb calls the function that the notebook's cell calls."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from thesis_lib import models
from thesis_lib.config import PROFILES, TASKS, Config, parse_assignment
from thesis_lib.errors import ThesisError
from thesis_lib.runs import Run, RunError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
weights = typer.Typer(no_args_is_help=True, help="Pretrained weights: list, fetch, verify.")
app.add_typer(weights, name="models")
released = typer.Typer(no_args_is_help=True, help="The package's own weights: how they were made.")
app.add_typer(released, name="weights")
history = typer.Typer(no_args_is_help=True, help="Runs: list, show, compare.")
app.add_typer(history, name="runs")
listening = typer.Typer(no_args_is_help=True, help="A listening test: build it, analyse its answers.")
app.add_typer(listening, name="listening")


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

Profile = Annotated[str, typer.Option(help=f"One of: {', '.join(PROFILES)}.")]
RunDir = Annotated[Path | None, typer.Option(help="Run folder; runs/PROFILE when left out.")]
Set = Annotated[list[str] | None, typer.Option("--set", help="A setting to change, section.key=value.")]
DEFAULT = "default"
VocoderName = Annotated[
    str, typer.Option(help="default (the package's own), hifigan-universal, a vocoder's folder, or owner/name.")
]
Scheduler = Annotated[str | None, typer.Option(help="Address of a Dask scheduler, tcp://HOST:PORT, to work on.")]


def _run(profile: str, run_dir: Path | None, changes: list[str] | None) -> Run:
    return Run(run_dir or Path("runs") / profile, _config(profile, changes))


def _config(profile: str, changes: list[str] | None) -> Config:
    return Config.from_profile(profile).override(dict(map(parse_assignment, changes or [])))


@app.command()
def config(profile: Profile = "demo", set_: Set = None) -> None:
    """Print a configuration as JSON.

    Example: thesis config --profile smoke --set training.steps=20
    """
    typer.echo(_config(profile, set_).model_dump_json(indent=2))


@weights.command("list")
def list_models() -> None:
    """Every weight with its size, licence and whether it is cached.

    Example: thesis models list
    """
    for name, weight in models.REGISTRY.items():
        cached = "cached" if models.is_cached(name) else "-"
        typer.echo(f"{name:18} {weight.size / 1e6:7.1f} MB  {cached:7} {weight.licence:11} {weight.title}")
        typer.echo(f"{'':18} {weight.citation}; {weight.homepage}")
    typer.echo(f"{'emotion2vec':18} from its hub on first use, at a pinned commit: no mirror is known")
    typer.echo(f"cache: {models.models_dir()}")


@weights.command("fetch")
def fetch_models(names: Annotated[list[str], typer.Argument(help="Names from the list, or 'all'.")]) -> None:
    """Download weights and check their hashes.

    Example: thesis models fetch ecapa hifigan-universal
    """
    for name in models.REGISTRY if names == ["all"] else names:
        typer.echo(f"{name}: {models.fetch(name)}")


@weights.command("verify")
def verify_models() -> None:
    """Check the hash of every cached weight; exit 1 when one is wrong.

    Example: thesis models verify
    """
    wrong = 0
    for name, weight in models.REGISTRY.items():
        folder = models.models_dir() / name
        found = models.problems(weight, folder)
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
    from thesis_lib.hub import upload

    typer.echo(upload(vocoder, repository, private))


@history.command("list")
def list_runs(root: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs")) -> None:
    """Every run with its profile and how far its trainings are.

    Example: thesis runs list
    """
    from thesis_lib.history import runs

    found = runs(root)
    typer.echo(found.to_string(index=False) if len(found) else f"no runs in {root}")


@history.command("show")
def show_run(run: Annotated[Path, typer.Argument(help="A run folder.")]) -> None:
    """How a run differs from its profile, and what it has measured.

    Example: thesis runs show runs/demo
    """
    from thesis_lib.history import differences, open_run, results

    opened = open_run(run)
    profile = opened.config.profile
    changed = differences(Config.from_profile(profile), opened.config)
    typer.echo(f"profile {profile}, configuration {opened.config.digest()}")
    for row in changed.itertuples():
        typer.echo(f"  {row.setting} = {json.dumps(row.second)} instead of {json.dumps(row.first)}")
    for name, value in results(opened).items():
        typer.echo(f"{value:12.4g}  {name}")


@history.command("compare")
def compare_runs(
    first: Annotated[Path, typer.Argument(help="A run folder.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
) -> None:
    """The settings in which two runs differ, and their results side by side.

    Example: thesis runs compare runs/demo runs/longer
    """
    from thesis_lib.history import compare, differences, open_run

    one, other = open_run(first), open_run(second)
    for table in (differences(one.config, other.config), compare(one, other)):
        typer.echo(table.to_string(index=False, float_format="{:.4g}".format) + "\n")


@app.command()
def download(
    folder: Annotated[Path, typer.Argument(help="Where the corpus shall lie; `corpus.root` of later commands.")],
    common_voice: Annotated[
        str | None, typer.Option(help="Signed link to Common Voice 4, Spanish, or the archive that it led to.")
    ] = None,
    keep: Annotated[bool, typer.Option(help="Keep the archives once they are unpacked.")] = False,
    set_: Set = None,
) -> None:
    """CVSS-T es→en with CoVoST's table and Common Voice; interrupted, it goes on where it was.

    Example: thesis download corpora/cvss --common-voice es.tar.gz
    """
    from thesis_lib.corpora.fetch import fetch
    from thesis_lib.reporting import bar

    fetch(folder, _config("thesis", set_).corpus, common_voice, keep, bar, lambda text: typer.echo(text, err=True))
    typer.echo(f"thesis prepare --profile thesis --set corpus.root={folder}")


@app.command()
def prepare(profile: Profile = "demo", run_dir: RunDir = None, set_: Set = None) -> None:
    """Corpus -> manifest, 22.05 kHz WAV and a table of rejects.

    Example: thesis prepare --profile thesis --set corpus.root=corpora/cvss
    """
    from thesis_lib.dataset import prepared
    from thesis_lib.reporting import bar

    manifest = prepared(_run(profile, run_dir, set_), bar)
    for split in ("train", "validation", "test"):
        part = manifest.split(split)
        typer.echo(f"{split:10} {len(part):6} pairs, {len({u.speaker for u in part})} speakers")
    typer.echo(f"rejected   {len(manifest.rejects):6} rows, with reasons in {manifest.folder / 'rejects.jsonl'}")


@app.command()
def embed(profile: Profile = "demo", run_dir: RunDir = None, set_: Set = None, scheduler: Scheduler = None) -> None:
    """Speaker and emotion embeddings of both sides of every pair.

    Example: thesis embed --profile demo
    Example: thesis embed --profile thesis --scheduler tcp://head:8786 --set encoders.device=cuda
    """
    from thesis_lib.dataset import embedded
    from thesis_lib.reporting import bar

    found = embedded(_run(profile, run_dir, set_), bar, scheduler)
    typer.echo(f"speaker: {found.speaker_encoder}, {found.speaker['source'].shape[1]}-d, {len(found.ids)} pairs")
    typer.echo(f"emotion: {found.emotion_encoder}, {found.emotion['source'].shape[1]}-d, {len(found.ids)} pairs")


@app.command()
def train(
    task: Annotated[str, typer.Option(help=f"Which vocoder: {' or '.join(TASKS)}.")] = "resynthesis",
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs, or processes on a CPU, of this machine.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Machines; start the command on each, by SLURM or torchrun.")] = 1,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train a vocoder, or go on where it was interrupted.

    Example: thesis train --task conversion --set conversion.training.steps=500 --run-dir runs/longer
    """
    from thesis_lib.reporting import bar
    from thesis_lib.training import fabric_of
    from thesis_lib.training import train as run_training

    run = _run(profile, run_dir, set_)
    # A wrong task is refused before the corpus is unpacked.
    fabric = fabric_of(run.config.recipe(task).training, devices, nodes, accelerator)
    fabric.launch()
    vocoder = run_training(run, task, bar, fabric)
    if not fabric.is_global_zero:
        return
    typer.echo(f"{vocoder.meta['steps']} steps in {vocoder.meta['minutes']} minutes: {run.path / task / 'vocoder'}")


@app.command()
def validate(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
    pairs: Annotated[Path | None, typer.Option(help="Human GROUP_es_src/ beside published GROUP_en_SYSTEM/.")] = None,
) -> None:
    """Metrics of unseen speakers beside their references, with intervals; interrupted, it goes on where it was.

    Example: thesis validate --profile demo
    """
    from thesis_lib.reporting import bar, settings_table, summary_table
    from thesis_lib.validation import validate as run_validation
    from thesis_lib.validation import validate_pairs

    run = _run(profile, run_dir, set_)
    run_validation(run, bar)
    summary = run.load_table("validation_summary")
    typer.echo(summary_table(summary, run.load_table("validation_comparisons")).to_string(index=False))
    typer.echo("* better than every other vocoder, p < 0.05 after Holm's correction, over speakers")
    typer.echo("† by an encoder that the vocoder is given or was trained on: no headline\n")
    typer.echo(settings_table(summary).to_string(index=False))
    typer.echo(f"not measured: {len(run.load_table('validation_not_measured'))}, with reasons in {run.path / 'tables'}")
    if pairs:
        validate_pairs(run, pairs, bar)
        typer.echo("\n" + run.load_table("pairs_summary").to_string(index=False, float_format="{:.3f}".format))
    encoders = run.load_json("validation_encoders")
    typer.echo("encoders: " + ", ".join(f"{column} = {name}" for column, name in encoders.items()))


@app.command()
def ablate(profile: Profile = "demo", run_dir: RunDir = None, set_: Set = None) -> None:
    """One part of the recipe off at a time, several seeds each: what is it worth? Resumes where it was.

    Example: thesis ablate --profile demo --set ablation.seeds=5
    """
    from thesis_lib.ablation import ablate as run_ablation
    from thesis_lib.reporting import bar

    run = _run(profile, run_dir, set_)
    typer.echo(run_ablation(run, bar).to_string(index=False, float_format="{:.3f}".format))
    for row in run.load_table("ablation_not_measured").itertuples():
        typer.echo(f"not measured: {row.variant}: {row.reason}")


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
    from thesis_lib.listening import build
    from thesis_lib.reporting import bar

    run = _run(profile, run_dir, set_)
    typer.echo(f"open {build(run, folder, bar)}; the key stays in {run.path / 'listening'}")


@listening.command("analyse")
def analyse_listening(
    answers: Annotated[list[Path], typer.Argument(help="The files that raters have sent.")],
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
) -> None:
    """MUSHRA, MOS and voice choices with intervals, after screening the raters.

    Example: thesis listening analyse answers/*.json --profile demo
    """
    from thesis_lib.listening import analyse

    run = _run(profile, run_dir, set_)
    typer.echo(analyse(run, answers).to_string(index=False, float_format="{:.2f}".format))
    for row in run.load_table("listening_raters").itertuples():
        if not row.kept:
            typer.echo(f"left out: {row.rater} ({row.file}): {row.reason}")


@app.command("swap-test")
def swap_test(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the summaries as one JSON object.")] = False,
) -> None:
    """Does the vocoder listen? The same content with another speaker's, or another manner's, embedding.

    Example: thesis swap-test --profile demo --set swap.human=my_recordings
    """
    from thesis_lib import swap
    from thesis_lib.reporting import bar

    run = _run(profile, run_dir, set_)
    swap.swap_test(run, bar)
    speakers = run.load_table("swap_summary")
    manners = swap.manner_summary(swap.manner_swap(run, bar), run.config.swap.seed)
    if json_:
        typer.echo(json.dumps({"speaker": speakers.to_dict("records"), "manner": manners.to_dict("records")}))
    else:
        for table in (speakers, manners):
            typer.echo(table.to_string(index=False, float_format="{:.3f}".format) + "\n")


@app.command()
def compress(profile: Profile = "demo", run_dir: RunDir = None, set_: Set = None) -> None:
    """float16, ONNX and int8 forms of the vocoder: size, speed, quality.

    Example: thesis compress --profile demo
    """
    from thesis_lib.compression import compress as run_compression
    from thesis_lib.reporting import bar

    table = run_compression(_run(profile, run_dir, set_), bar)
    typer.echo(table.to_string(index=False, float_format="{:.3f}".format))


@app.command()
def clone(
    source: Annotated[Path, typer.Argument(help="Spanish speech: WAV, FLAC, MP3 or OGG, any rate, mono or stereo.")],
    target: Annotated[Path, typer.Argument(help="English speech to write (.wav, .flac, .mp3 or .ogg).")],
    text: Annotated[str | None, typer.Option(help="English to speak instead of the translation.")] = None,
    vocoder: VocoderName = DEFAULT,
    guidance: Annotated[float, typer.Option(min=0, help="Strength of the voice: 0 none, 1 as trained.")] = 1.0,
    voice: Annotated[str, typer.Option(help="Kokoro voice that speaks the English.")] = "af_heart",
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Spanish speech in, English speech out, rendered with the speaker's embeddings.

    Example: thesis clone hola.wav hello.wav --json
    """
    from thesis_lib.audio import read_audio, write_audio
    from thesis_lib.cascade import build, clone_file

    read_audio(source)  # a wrong path must not cost the loading of four models
    if target.suffix.lower() not in (".wav", ".flac", ".mp3", ".ogg"):
        raise RunError(f"{target}: the suffix must be .wav, .flac, .mp3 or .ogg")
    if target.resolve() == source.resolve():
        raise RunError(f"{target} is the input: name another file for the output")
    pipeline = build(vocoder, voice)
    result = clone_file(pipeline, source, text, lambda stage: typer.echo(f"{stage} …", err=True), guidance)
    write_audio(target, result.wav, result.sample_rate)
    report = {k: v for k, v in asdict(result).items() if k not in ("content", "wav")}
    report |= {"source": str(source), "target": str(target), "vocoder": pipeline.vocoder.name}
    if json_:
        typer.echo(json.dumps(report, ensure_ascii=False))
    else:
        typer.echo(f"transcript   {result.transcript}")
        typer.echo(f"translation  {result.translation}")
        similarities = f"{result.similarity_before:.3f} before rendering, {result.similarity_after:.3f} after"
        typer.echo(f"similarity to the source ({result.encoder}): {similarities}")
        typer.echo(f"written      {target}")


@app.command()
def adapt(
    recordings: Annotated[list[Path], typer.Argument(help="Recordings of one voice, any format, rate and language.")],
    run_dir: Annotated[Path, typer.Option(help="Run folder; the vocoder is in its conversion/vocoder/.")],
    vocoder: VocoderName = DEFAULT,
    minutes: Annotated[float, typer.Option(min=0.01, help="How long to train.")] = 3.0,
) -> None:
    """Train a vocoder on, for minutes, on some recordings of one voice.

    Example: thesis adapt me1.wav me2.wav --run-dir runs/me
    Example: thesis clone hola.wav hello.wav --vocoder runs/me/conversion/vocoder
    """
    from thesis_lib.adaptation import adapt as run_adaptation
    from thesis_lib.reporting import bar

    adapted = run_adaptation(recordings, run_dir, vocoder, minutes, bar)
    typer.echo(f"{adapted.meta['steps']} steps in {adapted.meta['minutes']} minutes: {adapted.name}")


@released.command("reproduce")
def reproduce_weights(profile: Profile = "released", run_dir: RunDir = None, set_: Set = None) -> None:
    """Speak the corpus, train, and replace the package's weights: some five hours on two CPU cores, resumable.

    Example: thesis weights reproduce
    """
    from thesis_lib.released import reproduce
    from thesis_lib.reporting import bar

    reproduce(_run(profile, run_dir, set_), progress=bar, say=typer.echo)


@app.command()
def book(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Build the pages after the notebooks.")] = True,
    check: Annotated[bool, typer.Option(help="Only say which numbers are older than what they come from.")] = False,
) -> None:
    """Run notebooks 01–08 and build the Jupyter Book; interrupted, it goes on where it was.

    Example: thesis book --profile smoke
    """
    from thesis_lib.book import build, run_notebooks
    from thesis_lib.book import check as problems_of
    from thesis_lib.reporting import bar

    if check:
        found = problems_of(_run(profile, run_dir, None))
        typer.echo("\n".join(found) or "every number is as new as what it comes from")
        raise typer.Exit(bool(found))
    run_notebooks(_run(profile, run_dir, None), bar)
    if html:
        typer.echo(f"the book: {build()}")


def main() -> None:
    """Entry point: a foreseen error is one line on stderr and exit 2 (130 when interrupted)."""
    try:
        app()
    except (ThesisError, OSError) as error:
        typer.echo(f"thesis: {error}", err=True)
        sys.exit(error.exit_code if isinstance(error, ThesisError) else 2)
