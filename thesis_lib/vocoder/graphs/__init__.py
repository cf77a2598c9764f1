"""ONNX graphs of the vocoders, built from their weights without torch.

``GRAPHS`` has the generators that have one; others run in torch only, and ``thesis export`` traces them.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from thesis_lib import pretrained
from thesis_lib.utils.onnx_graph import GraphError, cached
from thesis_lib.vocoder import hub, sources
from thesis_lib.vocoder.checkpoints import CheckpointError
from thesis_lib.vocoder.content import channels
from thesis_lib.vocoder.description import DescriptionError, VocoderDescription
from thesis_lib.vocoder.graphs.hifigan import HifiganNetwork, hifigan_receptive_field
from thesis_lib.vocoder.graphs.istft import IstftNetwork, istft_receptive_field
from thesis_lib.vocoder.graphs.layers import ORIGIN, GeneratorNetwork
from thesis_lib.vocoder.streaming import ReceptiveField

META, CARD = "thesis_lib", "model_card"  # keys of the file's metadata
GRAPH_VERSION = 2  # part of a cached file's name: a change of the graphs that changes samples raises it

GRAPHS: dict[str, tuple[type[GeneratorNetwork], Callable[[VocoderDescription], ReceptiveField]]] = {
    "hifigan": (HifiganNetwork, hifigan_receptive_field),
    "istft": (IstftNetwork, istft_receptive_field),
}

__all__ = ["CARD", "GRAPHS", "META", "ORIGIN", "vocoder_file", "vocoder_metadata", "write_vocoder"]


def vocoder_metadata(
    description: VocoderDescription, field: ReceptiveField, means: Mapping[str, np.ndarray]
) -> dict[str, str]:
    """The metadata of a vocoder's ONNX file: ``OnnxVocoder`` reads them."""
    about = {
        "vocoder": description.to_dict(),
        "receptive_field": asdict(field),
        "means": {name: mean.tolist() for name, mean in means.items()},
    }
    return {META: json.dumps(about), CARD: hub.card(description)}


def write_vocoder(description: VocoderDescription, tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Write a vocoder as one ONNX file: generator, conditioning, inverse STFT. GraphError for other tensors."""
    build, receptive_field = GRAPHS[description.generator.kind]
    network = build(description, channels(description.audio, description.content), tensors)
    means = {kind: tensors[f"condition.{kind}_statistics.mean"] for kind in ("speaker", "emotion")}
    wav = network.samples()
    network.write(path, wav, "wav", vocoder_metadata(description, receptive_field(description), means))


def vocoder_file(source: str | Path, revision: str | None = None) -> Path | None:
    """The ONNX file of a vocoder in the cache, built at the first use; None for a generator without a graph.

    Raises CheckpointError for a wrong folder or repository, ModelError when the published weights cannot be had.
    """
    try:
        description, tensors = sources.weights(source, revision)
        if description.generator.kind not in GRAPHS:
            return None
        kind, key = description.generator.kind, sources.vocoder_key(source)
        path = pretrained.models_dir() / "graphs" / f"{kind}-{key}-{GRAPH_VERSION}.onnx"
        return cached(path, lambda partial: write_vocoder(description, tensors, partial))
    except (DescriptionError, GraphError) as error:
        raise CheckpointError(f"{source}: not a vocoder of this project ({error})") from error
