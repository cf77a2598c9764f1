"""The command ``serve``: the dubbing page."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from thesis_lib.cli.options import (
    ADAPTATION_KEYS,
    CLONING_KEYS,
    DEFAULT,
    Device,
    Set,
    VocoderName,
    encoders_of,
    settings_of,
)

if TYPE_CHECKING:
    from thesis_lib.vocoder.rendering import BaseVocoder

serving = typer.Typer()


@serving.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8017,
    vocoder: VocoderName = DEFAULT,
    translator: Annotated[
        str | None, typer.Option(help="Translation model: whisper-base, a folder, or owner/name on the hub.")
    ] = None,
    max_upload: Annotated[int, typer.Option(min=1, help="Largest recording that can be uploaded, in MB.")] = 2000,
    keep: Annotated[
        float, typer.Option(min=2, help="Files are deleted after this many minutes without a request from the page.")
    ] = 30.0,
    device: Device = "cpu",
    set_: Set = None,
) -> None:
    """Open a page on this machine: drop a recording, correct what is said, play and save the English.

    The page is for one person and one machine: it answers on 127.0.0.1 only, and needs no network. The models are
    loaded once. Recordings are worked on one after another. All files of a recording lie in a temporary folder,
    which is deleted when the recording or the page is closed and when the server stops.

    Example: thesis serve
    Example: thesis serve --port 9000 --max-upload 500
    """
    from thesis_lib import cloning
    from thesis_lib.serving import Limits
    from thesis_lib.serving import serve as run
    from thesis_lib.serving.uploads import MB

    changes = {"cloning.translator": translator} if translator else {}
    settings, encoders = settings_of(set_, *CLONING_KEYS, *ADAPTATION_KEYS), encoders_of(set_)
    config = settings.override(changes).cloning

    def build() -> cloning.VoiceCloningPipeline:
        typer.echo("the models are loaded, once", err=True)
        return cloning.build(vocoder, config, encoders=encoders, device=device)

    limits = Limits(upload_bytes=max_upload * MB, keep_seconds=60 * keep)
    adapter = partial(_adapt, encoders=encoders, plugins=settings.plugins)
    sys.exit(128 + run(build, port, limits, adapter, typer.echo))


def _adapt(*args: Any, **settings: Any) -> "BaseVocoder":
    """``training.adaptation.adapt``, imported when a recording asks for it: the page needs no torch otherwise."""
    from thesis_lib.training.adaptation import adapt

    return adapt(*args, **settings)
