"""Spanish speech in, English speech out: the verbs for people with recordings of their own."""

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from thesis_lib.cli.options import (
    DEFAULT,
    Device,
    Profile,
    RunDir,
    Set,
    VocoderName,
    config_of,
    encoders_of,
    run_of,
)

cloning = typer.Typer()


@cloning.command()
def clone(
    source: Annotated[
        Path,
        typer.Argument(help="Spanish speech: WAV, FLAC, MP3 or OGG of any length, a folder of it, or - for stdin."),
    ],
    target: Annotated[Path, typer.Argument(help="English speech to write (.wav, .flac, .mp3, .ogg); a folder; or -.")],
    text: Annotated[str | None, typer.Option(help="English to speak instead of the translation.")] = None,
    content: Annotated[Path | None, typer.Option(help="English recording to render, said by anybody.")] = None,
    voice_from: Annotated[
        list[Path] | None, typer.Option(help="Recording of the voice to speak in; repeatable.")
    ] = None,
    emotion_from: Annotated[Path | None, typer.Option(help="Recording whose style to speak in.")] = None,
    emotion_mix: Annotated[float, typer.Option(min=0, max=1, help="How far towards that style.")] = 1.0,
    adapt: Annotated[float, typer.Option(min=0, help="Minutes of training on the voice first.")] = 0.0,
    vocoder: VocoderName = DEFAULT,
    guidance: Annotated[float | None, typer.Option(min=0, help="Strength of the voice: 0 none, 1 as trained.")] = None,
    voice: Annotated[str | None, typer.Option(help="Kokoro voice that speaks the English, a+b, or nearest.")] = None,
    translator: Annotated[str | None, typer.Option(help="whisper-base, a model's folder, or owner/name.")] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Make each passage as long as what it translates.")] = False,
    subtitles: Annotated[bool, typer.Option("--subtitles", help="Also write both sides' SRT and VTT.")] = False,
    consent: Annotated[str, typer.Option(help="Who has agreed to it; kept in the file's metadata.")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Processes, for a folder; each takes some 1.5 GB.")] = 1,
    rate: Annotated[int, typer.Option(min=8000, help="Of stdin, Hz: 16-bit mono samples.")] = 16_000,
    device: Device = "cpu",
    set_: Set = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")] = False,
) -> None:
    """Spanish speech in, English speech out, in the speaker's voice.

    Example: thesis clone hola.wav hello.wav --subtitles --consent "it is me"
    Example: thesis clone interview.mp3 interview.en.mp3 --adapt 2 --fit
    Example: thesis clone recordings/ english/ --jobs 2
    Example: arecord -f S16_LE -r 16000 -t raw | thesis clone - - | aplay -f S16_LE -r 22050
    """
    from thesis_lib import cloning
    from thesis_lib.audio.files import header
    from thesis_lib.training.adaptation import adapt as adapter
    from thesis_lib.utils.progress import bar

    named = {"guidance": guidance, "voice": voice, "translator": translator, "fit": fit or None}
    changes = {f"cloning.{name}": value for name, value in named.items() if value is not None}
    config = config_of("thesis", set_).override(changes).cloning
    build = partial(cloning.build, encoders=encoders_of(set_), device=device)
    request = cloning.Request(
        text, content, tuple(voice_from or ()), emotion_from, emotion_mix, adapt, subtitles, consent
    )

    def say(words: str) -> None:
        typer.echo(words, err=True)

    if not consent:
        say("no --consent given: speak in somebody's voice only if they have agreed")
    if str(source) == "-":
        cloning.check_live(request)
        cloning.clone_live(build(vocoder, config), sys.stdin.buffer, rate, target, request, say)
    elif source.is_dir():
        batch = cloning.Batch(vocoder, config, request, adapter=adapter)
        table = cloning.clone_folder(source, target, batch, jobs, bar, build)
        failed = table[table.status != "done"]
        for row in failed.itertuples():
            say(f"failed: {row.reason}")
        if json_:
            typer.echo(table.to_json(orient="records", force_ascii=False))
        else:
            typer.echo(f"{len(table) - len(failed)} of {len(table)} recordings: {target / cloning.TABLE}")
        raise typer.Exit(bool(len(failed)))
    else:
        header(source)  # a wrong path must not cost the loading of four models
        cloning.check_target(source, target)
        pipeline = build(vocoder, config)
        made = cloning.clone_file(pipeline, source, target, request, say, bar, adapter)
        if json_:
            typer.echo(json.dumps(asdict(made) | {"vocoder": pipeline.vocoder.name}, ensure_ascii=False))
            return
        typer.echo(f"transcript   {made.transcript}")
        typer.echo(f"translation  {made.translation}")
        similarities = f"{made.similarity_before:.3f} before rendering, {made.similarity_after:.3f} after"
        typer.echo(f"similarity to the speaker ({made.encoder}): {similarities}")
        spent = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in made.seconds.items())
        typer.echo(f"seconds      {spent}, for {made.source_duration:.1f} s of Spanish")
        typer.echo(f"written      {target}")


@cloning.command("clone-report")
def clone_report(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
    vocoder: Annotated[str | None, typer.Option(help="Another vocoder than the run's own; default is one.")] = None,
    pairs: Annotated[Path | None, typer.Option(help="Human GROUP_es_src/ beside published GROUP_en_SYSTEM/.")] = None,
    spanish: Annotated[list[Path] | None, typer.Option(help="A folder of one speaker's Spanish; repeatable.")] = None,
    adapt: Annotated[float, typer.Option(min=0, help="Minutes of adaptation to each human recording.")] = 0.0,
) -> None:
    """What the pipeline is worth: similarity by three encoders, words, opinion, style and seconds, with intervals.

    Example: thesis clone-report --profile demo --pairs es_en_pairs --adapt 1
    """
    from thesis_lib.utils.progress import bar
    from thesis_lib.validation.cloning_report import clone_report as run_report

    run = run_of(profile, run_dir, set_)
    run_report(run, bar, vocoder, pairs, spanish or (), adapt)
    summary = run.load_table("cloning_summary")
    typer.echo(summary.to_string(index=False, float_format="{:.3f}".format))
    missing = run.load_table("cloning_not_measured")
    for row in missing.itertuples():
        typer.echo(f"not measured: {row.system}: {row.reason}")


@cloning.command()
def detect(
    recordings: Annotated[list[Path], typer.Argument(help="Recordings that may have been synthesised here.")],
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Is there our watermark in it? Exit 1 where there is none in any.

    Example: thesis detect hello.wav
    """
    from thesis_lib.audio.files import read_audio
    from thesis_lib.cloning.watermark import MARKED, watermark

    marked = 0
    for path in recordings:
        certainty = watermark(*read_audio(path), path)
        marked += certainty >= MARKED
        if json_:
            typer.echo(json.dumps({"file": str(path), "watermark": certainty, "marked": certainty >= MARKED}))
        else:
            typer.echo(f"{path}: {'marked' if certainty >= MARKED else 'not marked'} ({certainty:.2f})")
    raise typer.Exit(not marked)


@cloning.command()
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
    from thesis_lib.training.adaptation import adapt as run_adaptation
    from thesis_lib.utils.progress import bar

    adapted = run_adaptation(recordings, run_dir, vocoder, minutes, bar)
    typer.echo(f"{adapted.meta['steps']} steps in {adapted.meta['minutes']} minutes: {adapted.name}")
