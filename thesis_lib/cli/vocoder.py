"""A vocoder as one file, and sound as its spectrum comes."""

import json
from pathlib import Path
from typing import Annotated

import typer

from thesis_lib.cli.options import DEFAULT, VocoderName
from thesis_lib.vocoder.onnx_vocoder import Runtime

portable = typer.Typer()


@portable.command()
def export(
    target: Annotated[Path, typer.Argument(help="File to write (.onnx).")],
    vocoder: VocoderName = DEFAULT,
) -> None:
    """Generator, conditioning and inverse STFT as one ONNX file that needs no torch.

    Example: thesis export v1.onnx --vocoder hifigan-universal
    """
    from thesis_lib.compression import export_onnx
    from thesis_lib.utils.files import replacing
    from thesis_lib.vocoder.onnx_vocoder import OnnxError
    from thesis_lib.vocoder.synthesis import Vocoder

    if target.suffix != ".onnx":
        raise OnnxError(f"{target}: the suffix must be .onnx, by which --vocoder knows such a file")
    made = Vocoder.from_torch(vocoder)
    with replacing(target) as partial:
        export_onnx(made, partial)
    typer.echo(f"{target}: {target.stat().st_size / 1e6:.1f} MB, {made.parameters():,} parameters")


@portable.command()
def stream(
    source: Annotated[Path, typer.Argument(help="A recording, a log-mel (M, T) in .npy, or - for raw samples.")],
    target: Annotated[Path, typer.Argument(help="Recording to write (.wav, .flac, .ogg), or - for raw samples.")],
    vocoder: VocoderName = "hifigan-universal",
    voice_from: Annotated[Path | None, typer.Option(help="Recording of the voice to speak in.")] = None,
    chunk: Annotated[float, typer.Option(min=1, help="Of what is read at a time, milliseconds.")] = 100.0,
    runtime: Annotated[Runtime, typer.Option(help="What an .onnx file is run by.")] = "onnxruntime",
    json_: Annotated[bool, typer.Option("--json", help="Print the figures as JSON, on stderr.")] = False,
) -> None:
    """Sound from a mel vocoder as its input comes: the same as of the whole, in memory that does not grow.

    Raw samples are 16-bit, mono, at the vocoder's rate. A vocoder in an .onnx file needs no torch.

    Example: thesis stream speech.wav again.wav --vocoder student.onnx
    Example: thesis stream in.wav out.wav --vocoder runs/demo/compressed/int8-weights.onnx --runtime openvino-bf16
    Example: arecord -f S16_LE -r 22050 -t raw | thesis stream - - --vocoder student.onnx | aplay -f S16_LE -r 22050
    """
    from thesis_lib.utils.progress import bar
    from thesis_lib.vocoder.onnx_vocoder import OnnxError, OnnxVocoder
    from thesis_lib.vocoder.streaming import Streaming, stream_file
    from thesis_lib.vocoder.voice import MEAN_VOICE, Voice

    made: Streaming
    if vocoder.endswith(".onnx"):
        made = OnnxVocoder(Path(vocoder), runtime=runtime)
    elif runtime != "onnxruntime":
        raise OnnxError(f"{vocoder}: --runtime {runtime} runs .onnx files, which `thesis export` writes")
    else:
        from thesis_lib.vocoder.synthesis import Vocoder

        made = Vocoder.from_torch(vocoder)
    voice = MEAN_VOICE
    if voice_from:
        from thesis_lib.audio.files import read_audio
        from thesis_lib.embeddings.encoders import embed, emotion_encoder, speaker_encoder

        heard = (*read_audio(voice_from), voice_from)
        voice = Voice(embed(speaker_encoder(made.encoders), *heard), embed(emotion_encoder(made.encoders), *heard))
    figures = stream_file(made, source, target, chunk / 1000, voice, bar)
    if json_:
        typer.echo(json.dumps(figures), err=True)
    else:
        typer.echo(", ".join(f"{name} {value:.3f}" for name, value in figures.items()), err=True)
