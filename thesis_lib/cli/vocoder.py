"""The commands of a vocoder: ``adapt`` to a speaker, ``export`` to one ONNX file, and ``stream``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from thesis_lib.cli.options import (
    ADAPTATION_KEYS,
    CONDITION_KEYS,
    DEFAULT,
    Device,
    Set,
    VocoderName,
    encoders_of,
    settings_of,
)
from thesis_lib.vocoder.runtimes import Runtime

if TYPE_CHECKING:
    from thesis_lib.config import EncoderConfig
    from thesis_lib.vocoder.rendering import BaseVocoder
    from thesis_lib.vocoder.voice import Voice

vocoders = typer.Typer()


@vocoders.command()
def adapt(
    recordings: Annotated[
        list[Path], typer.Argument(help="Recordings of one speaker, in any format, rate and language.")
    ],
    run_dir: Annotated[Path, typer.Option(help="Run folder; the adapted vocoder goes to its conversion/vocoder/.")],
    vocoder: VocoderName = DEFAULT,
    minutes: Annotated[float, typer.Option(min=0.01, help="Minutes of training.")] = 3.0,
    set_: Set = None,
) -> None:
    """Adapt a vocoder to one speaker: continue its training for some minutes on recordings of that speaker.

    --set accepts plugins and encoders.*, except encoders.evaluation.

    Example: thesis adapt me1.wav me2.wav --run-dir runs/me
    Example: thesis clone hola.wav hello.wav --vocoder runs/me/conversion/vocoder
    """
    from thesis_lib.training.adaptation import adapt as run_adaptation
    from thesis_lib.utils.progress import bar

    plugins = settings_of(set_, *ADAPTATION_KEYS).plugins
    folder = Path.cwd() / run_dir
    adapted = run_adaptation(recordings, folder, vocoder, minutes, bar, encoders_of(set_), plugins)
    made = adapted.description
    typer.echo(f"{made.steps} steps in {made.minutes} minutes: {adapted.name}")


@vocoders.command()
def export(
    target: Annotated[Path, typer.Argument(help="File to write (.onnx).")],
    vocoder: VocoderName = DEFAULT,
    set_: Set = None,
) -> None:
    """Write the generator, the conditioning and the inverse STFT as one ONNX file, which runs without torch.

    --set accepts plugins: the module of a generator from outside the package.

    Example: thesis export v1.onnx --vocoder hifigan-universal
    """
    from thesis_lib.compression import export_onnx
    from thesis_lib.utils.files import replacing
    from thesis_lib.vocoder.onnx_vocoder import OnnxError
    from thesis_lib.vocoder.synthesis import Vocoder

    if target.suffix != ".onnx":
        raise OnnxError(f"{target}: the suffix must be .onnx: --vocoder recognises ONNX files by it")
    settings_of(set_)
    made = Vocoder.from_torch(vocoder)
    with replacing(target) as partial:
        export_onnx(made, partial)
    typer.echo(f"{target}: {target.stat().st_size / 1e6:.1f} MB, {made.parameters():,} parameters")


@vocoders.command()
def stream(
    source: Annotated[Path, typer.Argument(help="A recording, a log-mel (M, T) in .npy, or - for stdin.")],
    target: Annotated[Path, typer.Argument(help="Recording to write (.wav, .flac, .ogg …), or - for raw samples.")],
    vocoder: VocoderName = "hifigan-universal",
    voice_from: Annotated[Path | None, typer.Option(help="Recording of the target speaker.")] = None,
    chunk: Annotated[float, typer.Option(min=1, help="Length of each block of input, in milliseconds.")] = 100.0,
    runtime: Annotated[Runtime, typer.Option(help="Runtime for an .onnx file.")] = "onnxruntime",
    device: Device = "cpu",
    set_: Set = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, on stderr.")] = False,
) -> None:
    """Synthesise from a mel vocoder block by block, as the input arrives; the output equals that of the whole input.

    Memory does not grow with the length. stdin: a WAV, FLAC, Ogg or MP3 stream, or raw
    samples: 16-bit, mono, at the vocoder's rate, as on stdout. torch is needed only for
    another device than the CPU. --set accepts plugins; with --voice-from also encoders.*,
    except evaluation and batch_size.

    Example: thesis stream speech.wav again.wav --vocoder student.onnx
    Example: thesis stream in.wav out.wav --vocoder runs/demo/compressed/int8-weights.onnx --runtime openvino-bf16
    Example: arecord -f S16_LE -r 22050 -t raw | thesis stream - - --vocoder student.onnx | aplay -f S16_LE -r 22050
    """
    from thesis_lib.utils.progress import bar
    from thesis_lib.vocoder.streaming import check_stream_target, stream_file
    from thesis_lib.vocoder.voice import MEAN_VOICE

    check_stream_target(target, [source, *([voice_from] if voice_from else [])])
    settings_of(set_, *(CONDITION_KEYS if voice_from else ()))  # before the vocoder, which may be one of theirs
    made = _loaded(vocoder, runtime, device)
    voice = _voice_of(made, voice_from, encoders_of(set_), device) if voice_from else MEAN_VOICE
    figures = stream_file(made, source, target, chunk / 1000, voice, bar, lambda text: typer.echo(text, err=True))
    if json_:
        typer.echo(json.dumps(figures), err=True)
    else:
        typer.echo(", ".join(f"{name} {value:.3f}" for name, value in figures.items()), err=True)


def _loaded(vocoder: str, runtime: Runtime, device: str) -> "BaseVocoder":
    """The vocoder, in OpenVINO if asked for, else as ``load_vocoder`` loads it. OnnxError for a wrong combination."""
    from thesis_lib.vocoder.onnx_vocoder import OnnxError, OnnxVocoder

    if vocoder.endswith(".onnx"):
        if device != "cpu":
            raise OnnxError(f"{vocoder}: an .onnx file runs on the CPU: leave --device out, or name the folder")
        return OnnxVocoder(Path(vocoder), runtime=runtime)
    if runtime != "onnxruntime":
        raise OnnxError(f"{vocoder}: --runtime {runtime} runs .onnx files, which `thesis export` writes")
    from thesis_lib.vocoder.loading import load_vocoder

    return load_vocoder(vocoder, device)


def _voice_of(vocoder: "BaseVocoder", recording: Path, given: "EncoderConfig", device: str) -> "Voice":
    """Both embeddings of a recording, by the vocoder's own encoders. EncoderMismatchError for others."""
    from thesis_lib.audio.files import read_audio
    from thesis_lib.embeddings.encoders import embed, emotion_encoder, speaker_encoder
    from thesis_lib.vocoder.voice import Voice

    settings = vocoder.description.encoder_config(given)
    if "device" not in given.model_fields_set:
        settings = settings.model_copy(update={"device": device})
    speaker, emotion = speaker_encoder(settings, inference=True), emotion_encoder(settings, inference=True)
    vocoder.description.check_encoders(speaker, emotion)
    wav, rate = read_audio(recording)
    return Voice(embed(speaker, wav, rate, recording), embed(emotion, wav, rate, recording))
