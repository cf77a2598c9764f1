"""Commands of the voice-cloning pipeline: clone, clone-report, detect."""

import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thesis_lib.cli.options import (
    ADAPTATION_KEYS,
    CLONING_KEYS,
    CONDITION_KEYS,
    DEFAULT,
    Device,
    Pairs,
    Profile,
    RunDir,
    Set,
    VocoderName,
    encoders_of,
    run_of,
    settings_of,
)

if TYPE_CHECKING:
    import pandas as pd

    from thesis_lib.cloning import Clone

cloning = typer.Typer()


@cloning.command()
def clone(
    source: Annotated[
        Path,
        typer.Argument(help="Spanish speech: an audio or video file, a folder of such files, or - for stdin."),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            help="English speech to write: a .wav, .flac, .mp3, .ogg or .opus file; or a .mp4, .m4v, .mov, .mkv or "
            ".webm file, which keeps the picture of the source. If the source is a folder: a folder for .wav files. "
            "If the source is stdin: - writes to stdout."
        ),
    ],
    text: Annotated[str | None, typer.Option(help="English text to synthesise instead of the translation.")] = None,
    content: Annotated[
        Path | None, typer.Option(help="English recording, by any speaker, to convert instead of the translation.")
    ] = None,
    voice_from: Annotated[
        list[Path] | None, typer.Option(help="Recording of the target speaker, if not the source's; repeatable.")
    ] = None,
    emotion_from: Annotated[
        Path | None, typer.Option(help="Recording of the target speaking style, if not the source's.")
    ] = None,
    emotion_mix: Annotated[
        float, typer.Option(min=0, max=1, help="Speaking style: 0 the source's, 1 that of --emotion-from.")
    ] = 1.0,
    style_strength: Annotated[
        float | None,
        typer.Option(min=0, max=2, help="Speaking style: 0 neutral, 1 as it is, up to 2 exaggerated."),
    ] = None,
    adapt: Annotated[float, typer.Option(min=0, help="Minutes of speaker adaptation before synthesis.")] = 0.0,
    vocoder: VocoderName = DEFAULT,
    guidance: Annotated[
        float | None, typer.Option(min=0, help="Strength of the condition: 0 neutral, 1 as trained.")
    ] = None,
    voice: Annotated[
        str | None, typer.Option(help="Kokoro voice of the synthesised English: a name, a+b, or nearest.")
    ] = None,
    translator: Annotated[
        str | None, typer.Option(help="Translation model: whisper-base, a folder, or owner/name on the hub.")
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="es: all speech is Spanish; auto (default) leaves out what is not.")
    ] = None,
    fit: Annotated[bool, typer.Option("--fit", help="Stretch each segment towards the length of its source.")] = False,
    background: Annotated[
        str | None,
        typer.Option(help="keep: the sounds behind the speech continue under the English; drop (default): silence."),
    ] = None,
    subtitles: Annotated[
        bool,
        typer.Option("--subtitles", help="Also write Spanish and English subtitles, SRT and VTT, and into a video."),
    ] = False,
    script: Annotated[
        Path | None,
        typer.Option(
            help="File with the segments and their English (.json, .srt): written where it does not exist, else read. "
            "Edit it and repeat the command: only changed segments are synthesised again. With --speakers, the name "
            "before a subtitle's text selects its voice; without a name, the speaker at that time does."
        ),
    ] = None,
    add_track: Annotated[
        bool, typer.Option("--add-track", help="Of a video: keep its audio, and add the English as another track.")
    ] = False,
    speakers: Annotated[
        str,
        typer.Option(
            help="Number of speakers with a voice each, or auto to find it; 1: the voice of the main speaker for all. "
            "Not for live speech."
        ),
    ] = "1",
    consent: Annotated[
        str, typer.Option(help="Who has consented to the use of the voice; written to the file's metadata.")
    ] = "",
    credentials: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="CERTIFICATE KEY",
            help="Sign the output with content credentials (C2PA): PEM files of the signer. For .wav, .mp3, .mp4, .m4v "
            "and .mov files.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes for a folder; each needs about 1.5 GB of memory.")] = 1,
    rate: Annotated[
        int, typer.Option(min=8000, help="Rate of raw 16-bit mono samples on stdin, in Hz; a WAV stream has its own.")
    ] = 16_000,
    device: Device = "cpu",
    set_: Set = None,
    json_: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else.")
    ] = False,
) -> None:
    """Translate Spanish speech into English speech that follows the speaker's voice and emotion.

    Example: thesis clone hola.wav hello.wav --subtitles --consent "it is me"
    Example: thesis clone interview.mp3 interview.en.mp3 --adapt 2 --fit
    Example: thesis clone talk.mp3 talk.en.wav --script talk.json
    Example: thesis clone film.mp4 film.en.mp4 --subtitles --background keep
    Example: thesis clone debate.mp3 debate.en.mp3 --speakers auto --subtitles --script debate.json
    Example: thesis clone hola.wav hello.mp3 --credentials cert.pem key.pem
    Example: thesis clone recordings/ english/ --jobs 2
    Example: arecord -f S16_LE -r 16000 -t raw | thesis clone - - | aplay -f S16_LE -r 22050
    """
    from thesis_lib import cloning
    from thesis_lib.utils.progress import bar

    named = {"guidance": guidance, "voice": voice, "translator": translator, "language": language}
    named |= {"fit": fit or None, "style_strength": style_strength, "background": background}
    changes = {f"cloning.{name}": value for name, value in named.items() if value is not None}
    settings = settings_of(set_, *CLONING_KEYS, *(ADAPTATION_KEYS if adapt else CONDITION_KEYS))
    encoders = encoders_of(set_)
    config = settings.override(changes).cloning
    build = partial(cloning.build, encoders=encoders, device=device)
    adapter: cloning.Adapter | None = None
    if adapt:
        from thesis_lib.training import adaptation  # torch

        adapter = partial(adaptation.adapt, encoders=encoders, plugins=settings.plugins)
    voices = tuple(voice_from or ()), emotion_from, emotion_mix, adapt
    count = cloning.given_speakers(speakers)
    signing = cloning.SigningKey(*credentials) if credentials else None
    request = cloning.Request(text, content, *voices, subtitles, consent, script, add_track, count, signing)
    if not consent:
        _say("no --consent given: clone a voice only if its speaker has consented, and name them with --consent")
    if str(source) == "-":
        cloning.check_live(request, config, target, json_)
        seconds = cloning.clone_live(build(vocoder, config), sys.stdin.buffer, rate, target, request, _say)
        if json_:
            typer.echo(json.dumps({"target": str(target), "seconds": seconds}))
    elif source.is_dir():
        shared = cloning.FolderSettings(vocoder, config, request, adapter=adapter)
        _report_folder(cloning.clone_folder(source, target, shared, jobs, bar, build), target / cloning.TABLE, json_)
    else:
        # Wrong paths are reported before four models are loaded.
        cloning.check_recordings((source, *request.recordings))
        cloning.check_target(source, target, add_track, request.recordings, subtitles)
        cloning.check_script(source, target, script, subtitles, count)
        cloning.check_signing(signing, target)
        pipeline = build(vocoder, config)
        made = cloning.clone_file(pipeline, source, target, request, _say, bar, adapter)
        _report_file(made, pipeline.vocoder.name, json_)
        if script:
            _say(f"script       {script}: edit it and repeat the command")


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _report_folder(table: "pd.DataFrame", path: Path, json_: bool) -> None:
    """Print the result of every recording; exit status 1 if one failed."""
    failed = table[table.status != "done"]
    for row in failed.itertuples():
        _say(f"failed: {row.reason}")
    if json_:
        typer.echo(table.to_json(orient="records", force_ascii=False))
    else:
        typer.echo(f"{len(table) - len(failed)} of {len(table)} recordings: {path}")
    raise typer.Exit(bool(len(failed)))


def _report_file(made: "Clone", vocoder: str, json_: bool) -> None:
    """Print the texts, similarities and computing times of one recording."""
    if json_:
        typer.echo(json.dumps(asdict(made) | {"vocoder": vocoder}, ensure_ascii=False))
        return
    from thesis_lib.cloning.segments import STAGES

    typer.echo(f"transcript   {made.transcript}")
    typer.echo(f"translation  {made.translation}")
    similarities = f"{made.similarity_before:.3f} before conversion, {made.similarity_after:.3f} after"
    typer.echo(f"cosine similarity to the speaker: {similarities} (by {made.encoder}, which conditions the output)")
    spent = ", ".join(f"{STAGES[stage]} {seconds:.1f}" for stage, seconds in made.seconds.items())
    typer.echo(f"seconds      {spent}, for {made.source_duration:.1f} s of Spanish")
    typer.echo(f"written      {made.target}")


@cloning.command("clone-report")
def clone_report(
    profile: Profile = "demo",
    run_dir: RunDir = None,
    set_: Set = None,
    vocoder: Annotated[
        str | None, typer.Option(help="Vocoder instead of the run's: default, a folder, or owner/name.")
    ] = None,
    pairs: Pairs = None,
    spanish: Annotated[
        list[Path] | None, typer.Option(help="Folder with Spanish recordings of one speaker; repeatable.")
    ] = None,
    adapt: Annotated[float, typer.Option(min=0, help="Minutes of speaker adaptation to each human recording.")] = 0.0,
) -> None:
    """Evaluate the pipeline: speaker similarity, word errors, predicted MOS, speaking style and time, with intervals.

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
    recordings: Annotated[list[Path], typer.Argument(help="Recordings to check for watermark and credentials.")],
    trust: Annotated[
        Path | None, typer.Option(help="PEM file of certificates that you trust to sign content credentials.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object per recording.")] = False,
) -> None:
    """Detect the watermark of this library in recordings; exit status 1 if no recording has it.

    A long recording is searched in windows of 15 to 22.5 s, which overlap by half: the highest probability, the mean
    and the place of the marked windows are printed. Speech made up to 10 % faster or slower is found, and its speed is
    printed. Marked speech below 20 s in a longer recording can be missed, and of marked speech at several speeds, one
    speed is reported. Content credentials (C2PA) are read and validated.

    Example: thesis detect hello.wav
    Example: thesis detect hello.mp3 --trust cert.pem
    """
    from thesis_lib.audio.files import read_audio
    from thesis_lib.cloning.credentials import is_installed, read_credentials, read_pem
    from thesis_lib.cloning.watermark import detect_watermark

    readable = is_installed() or trust is not None
    if not readable:
        _say("content credentials are not read: pip install 'thesis-lib[credentials]'")
    if trust:
        read_pem(trust)
    marked = 0
    for path in recordings:
        found = detect_watermark(*read_audio(path), path)
        credentials = read_credentials(path, trust) if readable else None
        marked += found.is_marked
        if json_:
            known: dict[str, object] = {"watermark": found.probability, "mean": found.mean, "marked": found.is_marked}
            known |= {"speed": found.speed, "spans": found.spans}
            known |= {"credentials": asdict(credentials) if credentials else None} if readable else {}
            typer.echo(json.dumps({"file": str(path), **known}))
        else:
            where = "".join(f", {start:.0f}-{end:.0f} s" for start, end in found.spans)
            at = f", at {found.speed:g} times the speed" if found.is_marked and found.speed != 1 else ""
            verdict = "marked" if found.is_marked else "not marked"
            typer.echo(f"{path}: {verdict} (highest {found.probability:.2f}, mean {found.mean:.2f}{where}{at})")
            if readable:
                typer.echo(f"{path}: {credentials or 'no content credentials'}")
    raise typer.Exit(not marked)
