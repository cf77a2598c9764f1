"""Where a vocoder's weights are: the released ones, the published HiFi-GAN, a folder, or a repository on the model hub.

Without torch: the weights are arrays by name.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np

from thesis_lib import pretrained
from thesis_lib.config import AudioConfig, ContentConfig, HifiganConfig, digest
from thesis_lib.pretrained.torch_file import read_checkpoint
from thesis_lib.utils.files import fingerprint
from thesis_lib.vocoder import checkpoints, hub
from thesis_lib.vocoder.description import VocoderDescription

UNIVERSAL = "hifigan-universal"
DEFAULT, SMALL = "default", "small"  # the released weights, which are part of the package
RELEASED = {name: Path(__file__).parents[1] / "data" / name for name in (DEFAULT, SMALL)}
MADE_BY = {"human": DEFAULT, "released": SMALL}  # profile -> the released weights that it makes


def is_onnx(source: str | Path) -> bool:
    """Whether a source is an ONNX file."""
    return str(source).endswith(".onnx")


def weights_folder(source: str | Path, revision: str | None = None) -> Path:
    """The folder of a vocoder's weights; one on the model hub is downloaded. CheckpointError for an ONNX file."""
    if is_onnx(source):
        raise checkpoints.CheckpointError(
            f"{source}: torch's weights are needed, which an ONNX file has not: name the vocoder it came from"
        )
    if hub.is_repository(str(source)):
        return hub.download_vocoder(str(source), revision)
    return RELEASED.get(str(source), Path(source))


def vocoder_key(source: str | Path) -> str:
    """A key for results of the vocoder that a source names now: digest of its weights and of its description.

    The description has the encoders, by name and revision. Raises CheckpointError for a wrong folder or repository
    and for a missing file.
    """
    if str(source) == UNIVERSAL:
        return digest([UNIVERSAL, pretrained.get(UNIVERSAL).revision])
    if is_onnx(source):
        if not Path(source).is_file():
            raise checkpoints.CheckpointError(f"{source} is missing: check the path of the ONNX file")
        return fingerprint(Path(source))
    return digest([fingerprint(path) for path in checkpoints.files_of(weights_folder(source))])


def adaptation_key(recordings: Sequence[Path], source: str, minutes: float) -> str:
    """A key for the adaptation of the vocoder that a source names now to some recordings, by minutes of training.

    Raises CheckpointError for a wrong folder or repository.
    """
    return digest([[fingerprint(path) for path in recordings], source, vocoder_key(source), minutes])


def universal_description() -> VocoderDescription:
    """The published HiFi-GAN V1, which uses no embedding."""
    return VocoderDescription.of(
        {
            "task": "resynthesis",
            "audio": AudioConfig().model_dump(),
            "content": ContentConfig().model_dump(),
            "generator": HifiganConfig().model_dump(),
            "speaker_dim": 192,
            "emotion_dim": 88,
            "speaker_encoder": "ecapa",
            "emotion_encoder": "egemaps",
        }
    )


def universal_arrays() -> dict[str, np.ndarray]:
    """The published generator's tensors under their official names. ModelError when they cannot be had."""
    return read_checkpoint(pretrained.fetch(UNIVERSAL) / "generator_universal.pth.tar")["generator"]


def generator_name(key: str, fields: int) -> str:
    """Official name of HiFi-GAN's tensors -> this library's, with ``fields`` receptive fields a stage.

    ``resblocks.4.convs1.2.weight_g`` becomes ``stages.1.fields.1.dilated.2.weight_g``.
    """
    key = re.sub(r"^conv_(pre|post)\.", r"\1.", key)
    key = re.sub(r"^ups\.(\d+)\.", r"stages.\1.up.", key)
    block = re.match(r"^resblocks\.(\d+)\.convs([12])\.", key)
    if block:
        stage, field = divmod(int(block[1]), fields)
        kind = {"1": "dilated", "2": "plain"}[block[2]]
        key = f"stages.{stage}.fields.{field}.{kind}." + key[block.end() :]
    return key


def without_weight_norm(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Replace each weight's norm and direction, ``weight_g`` and ``weight_v``, by the weight itself."""
    found = {name: value for name, value in state.items() if not name.endswith(("weight_g", "weight_v"))}
    for name in (name.removesuffix("_g") for name in state if name.endswith("weight_g")):
        direction = state[f"{name}_v"].astype(np.float64)
        length = np.sqrt((direction**2).sum(tuple(range(1, direction.ndim)), keepdims=True))
        found[name] = (state[f"{name}_g"] * direction / length).astype(np.float32)
    return found


def identity_condition(description: VocoderDescription) -> dict[str, np.ndarray]:
    """The condition's tensors for a HiFi-GAN that has none: every FiLM layer is the identity."""
    config = cast(HifiganConfig, description.generator)
    sizes = {"speaker": description.speaker_dim, "emotion": description.emotion_dim}
    projections = {"speaker": config.speaker_projection, "emotion": config.emotion_projection}
    shapes = {
        **{f"condition.{kind}": (projections[kind], size) for kind, size in sizes.items()},
        "condition.fuse.0": (config.fusion_dim, sum(projections.values())),
        "condition.fuse.2": (config.condition_dim, config.fusion_dim),
        "film.affine": (2 * config.channels, config.condition_dim),
    }
    for stage in range(len(config.upsample_rates)):
        shapes[f"stages.{stage}.film.affine"] = (config.channels // 2**stage, config.condition_dim)
    found: dict[str, np.ndarray] = {f"{name}.weight": np.zeros(shape, np.float32) for name, shape in shapes.items()}
    found |= {f"{name}.bias": np.zeros(shape[0], np.float32) for name, shape in shapes.items()}
    for kind, size in sizes.items():
        found[f"condition.{kind}_statistics.mean"] = np.zeros(size, np.float32)
        found[f"condition.{kind}_statistics.std"] = np.ones(size, np.float32)
    return found | {"condition.neutral": np.zeros(config.condition_dim, np.float32)}


def weights(source: str | Path, revision: str | None = None) -> tuple[VocoderDescription, dict[str, np.ndarray]]:
    """Read a vocoder's description and its tensors by name.

    Raises CheckpointError for a wrong folder or repository, DescriptionError for a wrong description, ModelError when
    the published weights cannot be had.
    """
    if str(source) == UNIVERSAL:
        description = universal_description()
        fields = len(HifiganConfig().kernel_sizes)
        renamed = {generator_name(name, fields): value for name, value in universal_arrays().items()}
        return description, without_weight_norm(renamed) | identity_condition(description)
    tensors, meta = checkpoints.load_arrays(weights_folder(source, revision))
    return VocoderDescription.of(meta), tensors
